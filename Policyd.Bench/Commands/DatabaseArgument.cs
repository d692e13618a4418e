using System.CommandLine;
using Policyd.Bench.Databases;

namespace Policyd.Bench.Commands;

/// <summary>The option that names the kind of database, the same for each command that counts.</summary>
internal static class DatabaseArgument
{
    public static Option<DatabaseKind> Create() => new("--database")
    {
        Description = "Where a chain with {connection} counts: sqlite, postgresql or mariadb; a real server with its default durability is "
            + "started in a temporary folder.",
        CustomParser = EnumArgument.Parse<DatabaseKind>,
        DefaultValueFactory = _ => DatabaseKind.Sqlite,
    };
}
