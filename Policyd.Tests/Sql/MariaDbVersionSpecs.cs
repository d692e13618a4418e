using Policyd.Backends.Sql;

namespace Policyd.Tests.Sql;

/// <summary>Which servers give back what an upsert has written.</summary>
public sealed class MariaDbVersionSpecs
{
    [Theory]
    [InlineData("10.11.6-MariaDB-0+deb12u1", true)]
    [InlineData("5.5.5-10.5.0-MariaDB", true)]
    [InlineData("11.4.2-MariaDB-ubu2404-log", true)]
    [InlineData("12.0.1-MariaDB", true)]
    [InlineData("10.4.34-MariaDB", false)]
    [InlineData("5.5.5-10.4.8-MariaDB-log", false)]
    [InlineData("5.5.68-MariaDB", false)]
    [InlineData("8.4.0", false)]
    [InlineData("5.7.44-log", false)]
    [InlineData("8.0.11 (ProxySQL)", false)]
    [InlineData("MariaDB", false)]
    [InlineData("99999999999.1-MariaDB", false)]
    [InlineData("", false)]
    public void Only_a_MariaDb_that_says_so_knows_returning(string version, bool knows) =>
        Assert.Equal(knows, MariaDbVersion.KnowsReturning(version));
}
