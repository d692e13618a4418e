using System.Data.Common;
using Policyd.Backends.Schema;
using Policyd.Configuration.Tree;
using Policyd.Engine.Model;

namespace Policyd.Server.Loading;

/// <summary>
/// The server's own tables on the connections of a configuration: what a start would change there. Tables that a newer server has changed
/// are an error at the place of their connection, for <c>policyd check</c> and at a start.
/// </summary>
internal sealed class OwnTablesCheck
{
    private readonly Dictionary<string, Found> _byConnection = new(StringComparer.Ordinal);

    private OwnTablesCheck()
    {
    }

    /// <summary>Looks at all connections at once.</summary>
    /// <param name="model">The configuration.</param>
    /// <param name="timeout">For how long a database is waited for.</param>
    /// <param name="cancellationToken">Ends the look.</param>
    public static async Task<OwnTablesCheck> LookAsync(PolicyServerModel model, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var check = new OwnTablesCheck();
        foreach (var (connection, looking) in model.OwnTableGroups.GroupBy(own => own.Connection, own => own.Group)
            .Select(groups => (groups.Key, LookAsync(model, groups.Key, [.. groups], timeout, cancellationToken)))
            .ToList())
        {
            check._byConnection.Add(connection, await looking);
        }

        return check;
    }

    /// <summary>What a start would do on a connection, in plain sentences.</summary>
    public IReadOnlyList<string> PlansFor(string connection) => _byConnection.TryGetValue(connection, out var found) ? found.Plans : [];

    /// <summary>The connections that were looked at, and why a look came to nothing.</summary>
    public IEnumerable<(string Connection, string? Away)> Connections => _byConnection.Select(one => (one.Key, one.Value.Away));

    /// <summary>Adds an error for each connection whose tables are those of a newer server.</summary>
    public void AddTo(DiagnosticBag diagnostics, PolicyServerModel model)
    {
        foreach (var (connection, found) in _byConnection)
        {
            if (found.Newer is { } newer)
            {
                diagnostics.Error(model.Connections[connection].Section.PositionOf("dsn"), $"connection {connection}: {newer}");
            }
        }
    }

    private static async Task<Found> LookAsync(
        PolicyServerModel model, string connection, OwnTableGroup[] groups, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var plans = new List<string>();
        try
        {
            // Away from this thread, and not longer than this whatever the driver does.
            await Task.Run(
                async () =>
                {
                    foreach (var group in groups)
                    {
                        plans.AddRange(await model.Sql.DescribeOwnTablesAsync(connection, group, cancellationToken));
                    }
                },
                cancellationToken).WaitAsync(timeout, cancellationToken);
            return new Found([.. plans.Distinct()], null, null);
        }
        catch (NewerSchemaException newer)
        {
            return new Found([], newer.Message, null);
        }
        catch (DbException away)
        {
            return new Found([], null, away.Message);
        }
        catch (TimeoutException)
        {
            return new Found([], null, $"the database did not answer within {timeout.TotalSeconds:0} s");
        }
    }

    private sealed record Found(IReadOnlyList<string> Plans, string? Newer, string? Away);
}
