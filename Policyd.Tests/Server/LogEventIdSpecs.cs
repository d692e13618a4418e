using System.Reflection;
using Microsoft.Extensions.Logging;
using Policyd.Server.Logging;

namespace Policyd.Tests.Server;

/// <summary>Each line of the log has an event id that no other line of its project has.</summary>
public sealed class LogEventIdSpecs
{
    public static TheoryData<string> Projects => [.. Assemblies().Select(static assembly => assembly.GetName().Name!)];

    [Theory]
    [MemberData(nameof(Projects))]
    public void Event_ids_of_a_project_are_given_and_unique(string project)
    {
        var ids = Lines(Assemblies().Single(assembly => assembly.GetName().Name == project)).ToLookup(
            static line => line.Id, static line => line.Method);
        Assert.DoesNotContain(ids, static id => id.Key <= 0 || id.Count() > 1);
    }

    [Fact]
    public void There_are_lines_to_look_at() => Assert.NotEmpty(Assemblies().SelectMany(Lines));

    private static IEnumerable<(int Id, string Method)> Lines(Assembly assembly) =>
        from type in assembly.GetTypes()
        from method in type.GetMethods(
            BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
        let line = method.GetCustomAttribute<LoggerMessageAttribute>()
        where line is not null
        select (line.EventId, $"{type.Name}.{method.Name}");

    private static IEnumerable<Assembly> Assemblies()
    {
        var server = typeof(LogQueue).Assembly;
        return [server, .. Referenced(server).DistinctBy(static assembly => assembly.FullName)];
    }

    private static IEnumerable<Assembly> Referenced(Assembly assembly) =>
        assembly.GetReferencedAssemblies()
            .Where(static name => name.Name!.StartsWith("Policyd.", StringComparison.Ordinal))
            .Select(Assembly.Load)
            .SelectMany(static referenced => Referenced(referenced).Prepend(referenced));
}
