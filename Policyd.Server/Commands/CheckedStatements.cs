using Policyd.Backends.Sql;
using Policyd.Configuration.Tree;
using Policyd.Engine.Model;
using Policyd.Plugins.Sql;

namespace Policyd.Server.Commands;

/// <summary>
/// The operator's SQL statements, prepared by their databases: what one refuses is an error at its place, found before the first mail finds
/// it. A database that is away is a warning, one for each connection.
/// </summary>
internal static class CheckedStatements
{
    public static async Task AddToAsync(
        DiagnosticBag diagnostics, PolicyServerModel model, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var away = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (statement, asked) in model.Statements.Select(one => (one, AskAsync(one, timeout, cancellationToken))).ToList())
        {
            var subject = $"plugin {statement.Plugin}: {statement.Option}";
            switch (await asked)
            {
                case { Away: { } reason } when away.Add(statement.Connection):
                    diagnostics.Warning(statement.Place, $"{subject}: the statement could not be checked: {reason}");
                    break;
                case { Refusal: { IsMissingTable: true } refusal } when NamesOwnTable(statement, model):
                    diagnostics.Warning(
                        statement.Place, $"{subject}: {refusal.Message}; the server creates the table when it is first needed");
                    break;
                case { Refusal: { IsMissingFile: true } refusal }:
                    if (away.Add(statement.Connection))
                    {
                        diagnostics.Warning(
                            statement.Place,
                            $"{subject}: the statement could not be checked: {refusal.Message}; a start makes it, without the "
                                + "statement's tables");
                    }

                    break;
                case { Refusal: { } refusal }:
                    diagnostics.Error(
                        statement.Place,
                        $"{subject}: the database of connection {statement.Connection} refuses the statement: {refusal.Message}");
                    break;
            }
        }
    }

    private static async Task<(StatementRefusal? Refusal, string? Away)> AskAsync(
        ConfiguredStatement statement, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            // Away from this thread, and not longer than this whatever the driver does: the process ends when the check does.
            return (
                await Task.Run(() => statement.RefusalAsync(cancellationToken), cancellationToken).WaitAsync(timeout, cancellationToken),
                null);
        }
        catch (SqlAwayException e)
        {
            return (null, e.Message);
        }
        catch (TimeoutException)
        {
            return (null, $"the database of connection {statement.Connection} did not answer within {timeout.TotalSeconds:0} s");
        }
    }

    private static bool NamesOwnTable(ConfiguredStatement statement, PolicyServerModel model) =>
        model.OwnTables.Any(
            own => own.Connection == statement.Connection && statement.Query.Text.Contains(own.Table, StringComparison.OrdinalIgnoreCase));
}
