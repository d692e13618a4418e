using System.Data.Common;
using Policyd.Backends.Dsn;
using Policyd.Configuration.Sources;
using Policyd.Plugins.Sql;

namespace Policyd.Backends.Sql;

/// <summary>The databases of the built-in providers, made from the options of a connection.</summary>
public abstract class SqlDatabase : ISqlDatabase
{
    private protected SqlDatabase(SqlProvider provider, string description)
    {
        Provider = provider;
        Description = description;
        Source = new SqlSource(this);
    }

    /// <summary>
    /// Whether modules only read through it, since requests are only tried. Then a statement of the operator's that writes, perhaps by way
    /// of a function, is refused by the server.
    /// </summary>
    internal bool OnlyReads { get; private init; }

    /// <summary>How the modules ask this database.</summary>
    internal SqlSource Source { get; }

    /// <summary>What is open of this database is no longer good, also where nothing has failed yet.</summary>
    internal event Action? GivenUp;

    /// <inheritdoc/>
    public SqlProvider Provider { get; }

    /// <inheritdoc/>
    public string Description { get; }

    /// <summary>Makes the pool of a connection; connects to nothing yet.</summary>
    /// <param name="options">The options.</param>
    /// <param name="name">The connection's name, for metrics.</param>
    /// <param name="onlyReads">Whether nothing is to be made or changed in the database.</param>
    /// <exception cref="ArgumentException">The options do not make a connection; <see cref="SqlConnectionOptions.Check"/> says it
    /// beforehand.</exception>
    public static SqlDatabase Create(SqlConnectionOptions options, string name = "", bool onlyReads = false)
    {
        ArgumentNullException.ThrowIfNull(options);
        var settings = Settings(options);
        SqlDatabase database = ProviderOf(options) switch
        {
            SqlProvider.SQLite when onlyReads => new SqliteDatabase(settings).ToLookAt(),
            SqlProvider.SQLite => new SqliteDatabase(settings),
            SqlProvider.PostgreSQL => new PostgresDatabase(settings) { OnlyReads = onlyReads },
            _ => new MySqlDatabase(settings, options.Dsn.IsPerl ? options.Dsn.Get("init_command") : null) { OnlyReads = onlyReads },
        };
        database.Source.Name = name;
        return database;
    }


    /// <inheritdoc/>
    public abstract ValueTask<DbConnection> OpenAsync(CancellationToken ct);

    /// <summary>An open connection for a statement of a module, whose values the server may refuse.</summary>
    internal virtual ValueTask<DbConnection> OpenForCallAsync(CancellationToken ct) => OpenAsync(ct);

    /// <summary>
    /// An open connection that is kept and holds locks: a server that does not reach this machine any more ends its transaction within
    /// seconds, and not when TCP gives up.
    /// </summary>
    internal async ValueTask<DbConnection> OpenKeptAsync(CancellationToken ct)
    {
        var connection = await OpenAsync(ct).ConfigureAwait(false);
        if (EndsLostSessions is not { } settings)
        {
            return connection;
        }

        try
        {
            using var command = connection.Command(settings);
            await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// What an operator reads of a failure: without a driver's own codes, and without the further lines in which it repeats the statement.
    /// </summary>
    /// <param name="exception">What the driver threw.</param>
    public string ReasonOf(Exception exception) => Classify(exception).Message;

    /// <inheritdoc cref="ISqlDatabase.RunAsync"/>
    public Task<T> RunAsync<T>(Func<DbConnection, Task<T>> work, bool isRepeatable, CancellationToken ct) =>
        RunAsync((connection, _) => work(connection), isRepeatable, ct);

    /// <summary>The same for work that looks whether its caller has given it up.</summary>
    internal async Task<T> RunAsync<T>(Func<DbConnection, CancellationToken, Task<T>> work, bool isRepeatable, CancellationToken ct)
    {
        try
        {
            return await Source.RunAsync(work, isRepeatable, ct).ConfigureAwait(false);
        }
        catch (DbException e) when (e is not SqlAwayException)
        {
            throw new SqlRefusedException(ReasonOf(e), e);
        }
    }

    /// <inheritdoc/>
    public string QuoteIdentifier(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("an SQL name must not contain a NUL character", nameof(name));
        }

        return Provider == SqlProvider.MySQL
            ? $"`{name.Replace("`", "``", StringComparison.Ordinal)}`"
            : $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        Source.Dispose();
        return CloseAsync();
    }

    /// <summary>A statement by which a session ends soon whose client is lost; null where there is no network between.</summary>
    private protected virtual string? EndsLostSessions => null;

    /// <summary>Closes what is open.</summary>
    private protected abstract ValueTask CloseAsync();

    /// <summary>
    /// A call has failed on this connection, which is closed next: what was opened as it was must not be handed out again.
    /// </summary>
    internal virtual void GiveUp(DbConnection connection, Exception cause)
    {
    }

    private protected void GiveUpAll() => GivenUp?.Invoke();

    /// <summary>What a driver's exception means, outside of a commit.</summary>
    internal abstract SqlFault Classify(Exception exception);

    /// <summary>
    /// Whether a statement failed only since a value is none that the column, its character set or its type can hold: no row has it.
    /// </summary>
    /// <param name="exception">What the driver said.</param>
    /// <param name="values">The values that were bound.</param>
    internal virtual bool CannotHold(Exception exception, IEnumerable<object?> values) => false;

    internal static string Settings(SqlConnectionOptions options)
    {
        var provider = ProviderOf(options);
        if (options.Dsn.IsPerl && options.Dsn.Provider != provider)
        {
            throw new ArgumentException($"the dsn is for {options.Dsn.Provider}, but provider is set to {provider}");
        }

        return provider switch
        {
            SqlProvider.SQLite => SqliteDatabase.ConnectionString(options),
            SqlProvider.PostgreSQL => PostgresDatabase.ConnectionString(options),
            _ => MySqlDatabase.ConnectionString(options),
        };
    }

    /// <summary>Fills a driver's own builder; an unknown keyword is named unless it may be secret, its value never.</summary>
    private protected static void Fill(DbConnectionStringBuilder builder, SqlDsn dsn)
    {
        foreach (var (key, value) in dsn.Settings)
        {
            try
            {
                builder[key] = value;
            }
            catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException or OverflowException
                or KeyNotFoundException)
            {
                // A password that holds a semicolon and stands without quotes is cut there, and its rest looks like a setting.
                var named = dsn.HoldsPasswordBeside(key)
                    ? "a setting of the dsn (not shown because it may be part of the password)"
                    : $"the dsn's '{key}'";
                throw new ArgumentException($"{named} is not a setting of this provider, or its value is not valid", e);
            }
        }
    }

    /// <summary>
    /// Refuses what is no file where a driver reads one: a connection would wait for a FIFO, on a thread that nobody can call back.
    /// </summary>
    /// <param name="paths">What the connection string names; null and empty: nothing.</param>
    private protected static void DemandFiles(params ReadOnlySpan<string?> paths)
    {
        foreach (var path in paths)
        {
            if (path is { Length: > 0 } && RegularFile.Problem(path) is { } problem)
            {
                throw new ArgumentException($"the dsn names {path} for a file, but {problem}");
            }
        }
    }

    private static SqlProvider ProviderOf(SqlConnectionOptions options) =>
        options.Provider ?? options.Dsn.Provider
        ?? throw new ArgumentException("the dsn does not tell the provider; set provider = SQLite, PostgreSQL or MySQL");
}
