using Policyd.Backends.Dsn;
using Policyd.Backends.Sql;
using Policyd.Backends.SqlCounters;
using Policyd.Counting.Store;
using Policyd.Plugins.Counters;
using Policyd.Plugins.Sql;
using Policyd.Tests.Support;

namespace Policyd.Tests.Sql;

/// <summary>Data sources in Perl's and in .NET's form, and what is said of a wrong one: never a password.</summary>
public sealed class SqlDsnSpecs
{
    [Theory]
    [InlineData("dbi:SQLite:dbname=/var/lib/x.db", SqlProvider.SQLite, "SQLite file /var/lib/x.db")]
    [InlineData("dbi:SQLite:/var/lib/x.db", SqlProvider.SQLite, "SQLite file /var/lib/x.db")]
    [InlineData("DBI:sqlite:database=x.db", SqlProvider.SQLite, "SQLite file x.db")]
    [InlineData("dbi:mysql:database=d;host=h;port=3307", SqlProvider.MySQL, "MySQL database d at h:3307")]
    [InlineData("dbi:mysql(RaiseError=>1):db=d;hostname=h;mysql_enable_utf8=1", SqlProvider.MySQL, "MySQL database d at h:3306")]
    [InlineData("dbi:MariaDB:d;host=127.0.0.1", SqlProvider.MySQL, "MySQL database d at 127.0.0.1:3306")]
    [InlineData("dbi:mysql:d;mysql_socket=/tmp/s.sock", SqlProvider.MySQL, "MySQL database d at /tmp/s.sock")]
    [InlineData("dbi:Pg:dbname=d;host=h;port=5433;sslmode=verify-full", SqlProvider.PostgreSQL, "PostgreSQL database d at h:5433")]
    [InlineData("dbi:mysql:database=d:host=h:port=3307", SqlProvider.MySQL, "MySQL database d at h:3307")]
    [InlineData("dbi:mysql:d:h:3307", SqlProvider.MySQL, "MySQL database d at h:3307")]
    [InlineData("dbi:mysql:d:h", SqlProvider.MySQL, "MySQL database d at h:3306")]
    [InlineData("dbi:mysql:d;h;3307", SqlProvider.MySQL, "MySQL database d at h:3307")]
    [InlineData("dbi:mysql:database=d;host=h:3307", SqlProvider.MySQL, "MySQL database d at h:3307")]
    [InlineData("dbi:mysql:host=h:3307;database=d", SqlProvider.MySQL, "MySQL database d at h:3307")]
    [InlineData(
        "dbi:MariaDB:;host=[1a12:2800:6f2:85::f20:8cf];port=3307;database=d",
        SqlProvider.MySQL,
        "MySQL database d at 1a12:2800:6f2:85::f20:8cf:3307")]
    [InlineData("dbi:mysql:d:[::1]:3307", SqlProvider.MySQL, "MySQL database d at ::1:3307")]
    [InlineData("dbi:mysql(RaiseError=>1,mysql_socket=>/tmp/s.sock):database=d", SqlProvider.MySQL, "MySQL database d at /tmp/s.sock")]
    [InlineData("dbi:mysql:d:mysql_socket=/tmp/s.sock:mysql_connect_timeout=3", SqlProvider.MySQL, "MySQL database d at /tmp/s.sock")]
    [InlineData(
        "DBI:MariaDB:database=d;host=h;mariadb_read_timeout=5;mariadb_compression=1;mysql_auto_reconnect=1",
        SqlProvider.MySQL,
        "MySQL database d at h:3306")]
    [InlineData("dbi:Pg:db=d host=h port=5433", SqlProvider.PostgreSQL, "PostgreSQL database d at h:5433")]
    [InlineData("dbi:Pg:database = 'spacey name' ; host = h", SqlProvider.PostgreSQL, "PostgreSQL database spacey name at h:5432")]
    [InlineData("dbi:Pg:dbname=\"semi;colon\";host=h", SqlProvider.PostgreSQL, "PostgreSQL database semi;colon at h:5432")]
    [InlineData("dbi:Pg:dbname='it\\'s';host=/var/tmp/socket", SqlProvider.PostgreSQL, "PostgreSQL database it's at /var/tmp/socket:5432")]
    [InlineData(
        "dbi:Pg:dbname=d;hostaddr=192.0.2.1;host=h;connect_timeout=3;application_name=x",
        SqlProvider.PostgreSQL,
        "PostgreSQL database d at 192.0.2.1:5432")]
    [InlineData("dbi:Pg:dbname=d;host=a,b;port=5433,5434", SqlProvider.PostgreSQL, "PostgreSQL database d at a:5433,b:5434")]
    [InlineData(
        "dbi:Pg:dbname=d;host=h;options='-c statement_timeout=3s -c search_path=mail'",
        SqlProvider.PostgreSQL,
        "PostgreSQL database d at h:5432")]
    [InlineData("dbi:SQLite:uri=file:/var/lib/a%20b.db?mode=rw", SqlProvider.SQLite, "SQLite file /var/lib/a b.db")]
    [InlineData("dbi:SQLite:uri=file://localhost/x.db?cache=shared#f", SqlProvider.SQLite, "SQLite file /x.db")]
    [InlineData("dbi:SQLite:file:/var/lib/x.db?mode=ro", SqlProvider.SQLite, "SQLite file /var/lib/x.db")]
    [InlineData("dbi:SQLite:dbname=file:///var/lib/x%20y.db", SqlProvider.SQLite, "SQLite file /var/lib/x y.db")]
    [InlineData(
        "dbi:Pg:dbname=d;host=a,b;port=5433,5434;target_session_attrs=prefer-standby",
        SqlProvider.PostgreSQL,
        "PostgreSQL database d at a:5433,b:5434")]
    [InlineData("dbi:SQLite:db=x.db;sqlite_unicode=1;sqlite_open_flags=1", SqlProvider.SQLite, "SQLite file x.db")]
    [InlineData("dbi:SQLite:/var/lib/a;b=c.db", SqlProvider.SQLite, "SQLite file /var/lib/a;b=c.db")]
    [InlineData("Data Source=var/policyd.db", SqlProvider.SQLite, "SQLite file var/policyd.db")]
    [InlineData("Host=h;Username=u;Database=d", SqlProvider.PostgreSQL, "PostgreSQL database d at h:5432")]
    public async Task Data_source_names_its_database(string text, SqlProvider provider, string description)
    {
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = Parse(text), User = "u", Password = "geheim" });
        Assert.Equal(provider, database.Provider);
        Assert.Equal(description, database.Description);
    }

    [Theory]
    [InlineData("Server=h;Database=d;User ID=u;Password=geheim", SqlProvider.MySQL, "MySQL database d at h:3306")]
    [InlineData("Server=h;Database=d;User ID=u;Password=geheim", SqlProvider.PostgreSQL, "PostgreSQL database d at h:5432")]
    public async Task Provider_decides_where_the_text_leaves_it_open(string text, SqlProvider provider, string description)
    {
        var options = new SqlConnectionOptions { Dsn = Parse(text) };
        Assert.Contains("set provider", options.Check(), StringComparison.Ordinal);
        options.Provider = provider;
        Assert.Null(options.Check());
        await using var database = SqlDatabase.Create(options);
        Assert.Equal(description, database.Description);
        Assert.DoesNotContain("geheim", options + options.Dsn.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dbi:Oracle:x", "character 5")]
    [InlineData("dbi:SQLite", "no second colon")]
    [InlineData("dbi:SQLite:", "contains no file name")]
    [InlineData("dbi:mysql:database=d;hots=h", "unknown setting at character 22")]
    [InlineData("dbi:mysql:d:h:3307:x", "unknown setting at character 20")]
    [InlineData("dbi:mysql:d;mysql_read_default_file=/nowhere/my.cnf", "/nowhere/my.cnf cannot be read")]
    [InlineData("dbi:mysql:d;mysql_read_default_file=/nowhere/my\0.cnf", "holds a NUL character")]
    [InlineData("dbi:mysql:d;mysql_ssl=1;mysql_ssl_ca_path=/etc/ssl", "is not supported")]
    [InlineData("dbi:mysql:d;mysql_connect_timeout=soon", "number of seconds")]
    [InlineData("dbi:Pg:dbname=d;sslcrl=x", "unknown setting at character 17")]
    [InlineData("dbi:Pg:dbname=d;sslmode=maybe", "sslmode at character 17")]
    [InlineData("dbi:Pg:dbname='d;host=h", "not closed")]
    [InlineData("dbi:Pg:postgresql://u:geheim@h:5433/d", "connection URI")]
    [InlineData("dbi:Pg:dbname=postgres://u:geheim@h/d;port=5433", "connection URI")]
    [InlineData("dbi:Pg:dbname=d host", "has no '='")]
    [InlineData("dbi:Pg:service=nosuch", "pg_service.conf")]
    [InlineData("dbi:SQLite:dbname=x.db;nosuch=1", "unknown setting at character 24")]
    [InlineData("dbi:SQLite:uri=file:x.db?vfs=memdb", "is not supported")]
    [InlineData("dbi:SQLite:uri=file://other/x.db", "names another host")]
    [InlineData("dbi:mysql(RaiseError=>1:d", "no second colon")]
    [InlineData("dbi:mysql:database=d;port=70000", "port at character 22")]
    [InlineData("dbi:mysql:database=d;db=e", "given twice")]
    [InlineData("=", "neither")]
    [InlineData("", "empty")]
    public void Wrong_data_source_is_told_with_its_place(string text, string part)
    {
        Assert.False(SqlDsn.TryParse(text, out _, out var error));
        Assert.Contains(part, error, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Data Source=:memory:", SqlProvider.SQLite, "in memory")]
    [InlineData("Data Source=x.db;Password2=geheim", SqlProvider.SQLite, "'password2'")]
    [InlineData("Server=h;Port=geheim;Database=d", SqlProvider.MySQL, "'port'")]
    [InlineData("Host=h;Port=geheim;Database=d", SqlProvider.PostgreSQL, "'port'")]
    [InlineData("Server=h", SqlProvider.MySQL, "contains no database name")]
    [InlineData("dbi:Pg:dbname=d", SqlProvider.MySQL, "provider is set to MySQL")]
    [InlineData("dbi:Pg:dbname=d;host=a,b;port=1,2,3", SqlProvider.PostgreSQL, "different numbers of hosts and ports")]
    [InlineData("dbi:Pg:dbname=d;host=h;hostaddr=192.0.2.1;sslmode=verify-full", SqlProvider.PostgreSQL, "verify-full")]
    [InlineData("dbi:SQLite::memory:", SqlProvider.SQLite, "in memory")]
    [InlineData("dbi:SQLite:uri=file:x?mode=memory", SqlProvider.SQLite, "in memory")]
    public void Options_that_do_not_make_a_connection_are_told_without_their_values(string text, SqlProvider provider, string part)
    {
        var error = new SqlConnectionOptions { Dsn = Parse(text), Provider = provider }.Check();
        Assert.Contains(part, error, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dbi:mysql:mysql_read_default_file=FILE", "MySQL database from client at a host:3310")]
    [InlineData("dbi:mysql:d;mysql_read_default_file=FILE;mysql_read_default_group=mail", "MySQL database d at mail.example:3311")]
    [InlineData(
        "dbi:MariaDB:host=own;mariadb_read_default_group=other;mariadb_read_default_file=FILE", "MySQL database 'other' # at own:3312")]
    [InlineData("dbi:mysql(mysql_read_default_file=>FILE):port=1", "MySQL database from client at a host:1")]
    public async Task Option_file_stands_in_for_what_the_data_source_does_not_say(string text, string description)
    {
        using var folder = new TemporaryFolder();
        var included = folder.Write("more.cnf", "[client]\nport=3310\n[other]\ndatabase=\"\\'other\\' #\"\nloose_port=3312 # comment\n");
        var file = folder.Write("my.cnf", $"""
            # comment
            [mysqld]
            port = 1
            [client]
            host = a\shost
            database = 'from client'
            password = geheim
            quick
            !include {included}
            [mail]
            host=mail.example
            port=3311
            """);
        var dsn = Parse(text.Replace("FILE", file, StringComparison.Ordinal));
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = dsn });
        Assert.Equal(description, database.Description);
        Assert.Equal("geheim", dsn.Get("password"));
        Assert.DoesNotContain("geheim", dsn.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Option_file_that_includes_itself_is_an_error()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["my.cnf"], $"!include {folder["my.cnf"]}\n");
        Assert.False(SqlDsn.TryParse($"dbi:mysql:d;mysql_read_default_file={folder["my.cnf"]}", out _, out var error));
        Assert.Contains("nested more than 8 includes deep", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Option_file_that_includes_a_name_with_a_NUL_character_is_an_error()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["my.cnf"], "!include a\0b\n");
        Assert.False(SqlDsn.TryParse($"dbi:mysql:d;mysql_read_default_file={folder["my.cnf"]}", out _, out var error));
        Assert.Contains("holds a NUL character", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_whose_socket_is_not_there_yet_is_only_away()
    {
        await using var database = SqlDatabase.Create(new SqlConnectionOptions { Dsn = Parse("dbi:mysql:d;mysql_socket=/nowhere/s.sock") });
        await using var store = database.CreateCounterStore();
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var failure = await Assert.ThrowsAsync<CounterStoreException>(
                () => store.PrepareAsync("acct_x", TestContext.Current.CancellationToken));
            Assert.Equal(CounterStoreFailure.Unavailable, failure.Failure);
        }
    }

    private static SqlDsn Parse(string text) =>
        SqlDsn.TryParse(text, out var dsn, out var error) ? dsn! : throw new InvalidOperationException(error);
}
