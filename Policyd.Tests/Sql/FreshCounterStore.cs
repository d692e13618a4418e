using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>A counter store on a fresh, empty database: what the tests that run on each database have in common.</summary>
public abstract class FreshCounterStore : IAsyncLifetime
{
    protected const string Table = "acct_client_address";

    private protected SqlDatabase Database { get; private set; } = null!;

    private protected ICounterStore Store { get; private set; } = null!;

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Database = SqlDatabase.Create(await Options());
        Store = StoreOf(Database);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (Store is not null)
        {
            await Store.DisposeAsync();
            await Database.DisposeAsync();
        }
    }

    /// <summary>A fresh, empty database.</summary>
    private protected abstract Task<SqlConnectionOptions> Options();

    private protected static async Task<SqlConnectionOptions> NewDatabaseOf(IDatabaseServer server) =>
        new() { Dsn = Dsn(await server.NewDatabase()), User = server.User, Password = "secret" };

    private protected virtual ICounterStore StoreOf(SqlDatabase database) => database.CreateCounterStore();

    private protected static SqlDsn Dsn(string text) =>
        SqlDsn.TryParse(text, out var dsn, out var error) ? dsn! : throw new InvalidOperationException(error);
}
