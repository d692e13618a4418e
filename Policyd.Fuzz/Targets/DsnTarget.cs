using System.Data.Common;
using System.Text;
using Policyd.Backends.Dsn;
using Policyd.Fuzz.Harness;
using Policyd.Plugins.Sql;

namespace Policyd.Fuzz.Targets;

/// <summary>Data sources, in DBI's form and in .NET's. One target for each driver, since each has its own grammar.</summary>
internal sealed class DsnTarget(string name, IReadOnlyList<byte[]> samples) : FuzzTarget(
    name,
    "accepted settings, written out plainly, are accepted as the same settings; no message and no shown form holds a password",
    new AllocationBound(64 * 1024, 600))
{
    private static readonly SecretInDsnAttribute s_hiding = new();

    public override IReadOnlyList<byte[]> Samples => samples;

    public override IReadOnlyList<byte[]> Words => DsnSamples.Words;

    public override int LongestInput => 1000;

    public override Outcome Execute(byte[] input, Meter meter)
    {
        var text = Encoding.UTF8.GetString(input);
        var (dsn, error) = meter.Run(() => (SqlDsn.TryParse(text, out var found, out var problem) ? found : null, problem));
        var hidden = meter.Run(() => s_hiding.Hide(text));
        if (dsn is null)
        {
            Check.That(!string.IsNullOrEmpty(error), "a refused data source has no message");
            Check.That(!error.Contains(DsnSamples.Secret, StringComparison.Ordinal) || error.Contains("file", StringComparison.Ordinal),
                $"a message holds the password: {error}");
            return Outcome.Rejected(error);
        }

        CheckSecret(text, dsn, hidden);
        // Written first, a key of .NET's form may look like the other form.
        if ((dsn.IsPerl ? PlainDsn.Write(dsn.Provider!.Value, dsn.Settings) : PlainDsn.WriteNet(dsn.Settings)) is { } written
            && written.StartsWith("dbi:", StringComparison.OrdinalIgnoreCase) == dsn.IsPerl)
        {
            Check.That(SqlDsn.TryParse(written, out var again, out var problem),
                $"the settings, written as {Check.Shown(written)}, are refused: {problem}");
            Check.Same(Texts.Of(dsn.Settings), Texts.Of(again!.Settings), $"the settings, written as {Check.Shown(written)}");
        }

        return Outcome.Accepted($"{dsn.Provider} {string.Join(' ', dsn.Settings.Keys.Order(StringComparer.Ordinal).Take(6))}");
    }

    // Where the secret is what is set as a password, and nothing else is set to it.
    private static void CheckSecret(string text, SqlDsn dsn, string hidden)
    {
        var password = dsn.Settings.GetValueOrDefault("password", "");
        if (password.Contains(DsnSamples.Secret, StringComparison.Ordinal) && text.Split(DsnSamples.Secret).Length == 2)
        {
            Check.That(!dsn.ToString().Contains(DsnSamples.Secret, StringComparison.Ordinal), $"the text form shows the password: {dsn}");
            Check.That(!hidden.Contains(DsnSamples.Secret, StringComparison.Ordinal), $"the hidden form shows the password: {hidden}");
        }
    }
}

/// <summary>Data sources as the documentation of their drivers has them.</summary>
internal static class DsnSamples
{
    /// <summary>The password in all of them.</summary>
    public const string Secret = "hunter2";

    public static IReadOnlyList<byte[]> Net { get; } = Texts.Utf8(
        "Data Source=var/policyd.db", "Server=db.example;Port=3306;Database=policyd;Uid=p;Password=hunter2;SslMode=Required",
        "Host=/run/postgresql;Username=p;Password='hun;ter2';Database=\"a b\"", "Data Source=:memory:;Mode=Memory;Cache=Shared");

    public static IReadOnlyList<byte[]> MySql { get; } = Texts.Utf8(
        "dbi:mysql:database=policyd;host=db.example;port=3306", "dbi:mysql:policyd:db.example:3307",
            "dbi:MariaDB:host=[2001:db8::1];db=p;mariadb_ssl=1;password=hunter2",
        "dbi:mysql(RaiseError=>1,Password=hunter2,mysql_connect_timeout=5):dbname=p;mysql_socket=/run/mysqld/mysqld.sock",
            "DBI:mysqlPP:database=p;mysql_auto_reconnect=1");

    public static IReadOnlyList<byte[]> Postgres { get; } = Texts.Utf8(
        "dbi:Pg:dbname=policyd;host=db.example;port=5432,5433", "dbi:Pg:dbname='a b' host=/run/postgresql user=p password='hun\\'ter2'",
        "dbi:PgPP:policyd", "dbi:Pg(Username=p,Password=hunter2,AutoCommit=>1):db=p sslmode=require connect_timeout=3 "
            + "application_name=\"x y\"", "dbi:Pg:password=hunter2;user=q;database=p");

    public static IReadOnlyList<byte[]> Sqlite { get; } = Texts.Utf8(
        "dbi:SQLite:dbname=/var/lib/policyd.db", "dbi:SQLite:uri=file:///x%20y.db?mode=ro&cache=shared#f", "dbi:SQLite:plain.db",
            "dbi:SQLite(sqlite_open_flags=2,Password=hunter2):db=x;sqlite_unicode=1");

    public static IReadOnlyList<byte[]> Words { get; } = Texts.Words(
        "dbi: : ; = , ( ): => [ ] ' \" \\ % %00 %2F ? & # hunter2 password= pwd= user= host= port= database= dbname= db= uri= file: "
            + "file:// //localhost mode=ro mode=memory cache=shared "
        + "sslmode=require options= service=absent passfile= hostaddr= connect_timeout= mysql_ssl=1 mariadb_ssl "
            + "mysql_read_default_file=/nonexistent/x mysql_local_infile=1 65536 86401 embedded Pg SQLite mysql",
        " ", "\t", "\0", "\n", "\u00e4", "\u00a0", "''", "\"\"");
}

/// <summary>Writes settings as a data source, plainly.</summary>
internal static class PlainDsn
{
    private static readonly string[] s_plainOfMySql = ["database", "host", "port", "user", "password"];

    /// <summary>The settings in DBI's form; null when the driver's grammar has no way to write them.</summary>
    public static string? Write(SqlProvider provider, IReadOnlyDictionary<string, string> settings) => provider switch
    {
        SqlProvider.PostgreSQL => "dbi:Pg:" + string.Join(';', settings.Select(static setting => $"{setting.Key}={Quoted(setting.Value)}")),
        SqlProvider.SQLite => Sqlite(settings),
        _ => MySql(settings),
    };

    /// <summary>The settings in .NET's form; null when one is empty, which that form takes for not given.</summary>
    public static string? WriteNet(IReadOnlyDictionary<string, string> settings)
    {
        if (settings.Values.Any(static value => value.Length == 0))
        {
            return null;
        }

        var builder = new DbConnectionStringBuilder();
        foreach (var (key, value) in settings)
        {
            builder[key] = value;
        }

        return builder.ConnectionString;
    }

    private static string Quoted(string value) =>
        $"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    private static string? MySql(IReadOnlyDictionary<string, string> settings) =>
        settings.Values.Any(static value => value.AsSpan().ContainsAny(";:[]"))
            ? null
            : "dbi:mysql:" + string.Join(';', settings.Select(static setting =>
                $"{(s_plainOfMySql.Contains(setting.Key) ? "" : "mysql_")}{setting.Key}={setting.Value}"));

    private static string? Sqlite(IReadOnlyDictionary<string, string> settings)
    {
        var parameters = settings.Where(static setting => setting.Key is "mode" or "cache").Select(static setting => setting.Value switch
        {
            "ReadOnly" => "mode=ro",
            "ReadWrite" => "mode=rw",
            "ReadWriteCreate" => "mode=rwc",
            "Memory" => "mode=memory",
            _ => $"cache={setting.Value.ToLowerInvariant()}",
        });
        var attributes = settings.ContainsKey("user") || settings.ContainsKey("password");
        return attributes ? null : $"dbi:SQLite:uri=file:{Uri.EscapeDataString(settings["database"])}?{string.Join('&', parameters)}";
    }
}
