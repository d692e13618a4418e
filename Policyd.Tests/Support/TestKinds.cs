using System.Reflection;
using Policyd.Tests.Support;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestFramework(typeof(TestFrameworkWithKinds))]

namespace Policyd.Tests.Support;

/// <summary>
/// The kind of a test is its trait <c>kind</c>: <c>server</c>, <c>soak</c>, or <c>fast</c> without a mark. Fast tests start no process,
/// which
/// <see cref="TestKinds.MayStart"/> holds them to, and take less than two seconds each.
/// </summary>
internal static class TestKinds
{
    public const string Trait = "kind";
    public const string Fast = "fast";

    /// <summary>Asked before a process is started: the running test must be marked as one that does so.</summary>
    public static void MayStart(string program)
    {
        var context = TestContext.Current;
        var traits = context.TestCase?.Traits ?? context.TestClass?.Traits;
        if (traits is not null && (!traits.TryGetValue(Trait, out var kinds) || kinds.Contains(Fast)))
        {
            var test = context.TestMethod is { } method
                ? $"{context.TestClass?.TestClassSimpleName}.{method.MethodName}"
                : context.TestClass?.TestClassName;
            throw new InvalidOperationException($"{test} starts {program}: mark the test or its class with [ServerTest]");
        }
    }
}

/// <summary>The test talks to a server or starts another process.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class ServerTestAttribute : Attribute, ITraitAttribute
{
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new(TestKinds.Trait, "server")];
}

/// <summary>The test repeats something many times, or waits for real time to pass; it takes longer than two seconds.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class SoakTestAttribute(string reason) : Attribute, ITraitAttribute
{
    public string Reason => reason;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new(TestKinds.Trait, "soak")];
}

/// <summary>
/// xunit's own test framework; each test without a mark gets the kind <c>fast</c>, so that no list of fast tests is kept.
/// </summary>
internal sealed class TestFrameworkWithKinds : XunitTestFramework
{
    protected override ITestFrameworkDiscoverer CreateDiscoverer(Assembly assembly) => new Discoverer(base.CreateDiscoverer(assembly));

    private sealed class Discoverer(ITestFrameworkDiscoverer inner) : ITestFrameworkDiscoverer, IAsyncDisposable
    {
        public ITestAssembly TestAssembly => inner.TestAssembly;

        public ValueTask Find(
            Func<ITestCase, ValueTask<bool>> callback,
            ITestFrameworkDiscoveryOptions discoveryOptions,
            Type[]? types,
            CancellationToken? cancellationToken) =>
            inner.Find(test => callback(WithKind(test)), discoveryOptions, types, cancellationToken);

        public ValueTask DisposeAsync() => inner is IAsyncDisposable disposable ? disposable.DisposeAsync() : ValueTask.CompletedTask;

        private static ITestCase WithKind(ITestCase test)
        {
            if (test is XunitTestCase { Traits: var traits } && !traits.ContainsKey(TestKinds.Trait))
            {
                traits[TestKinds.Trait] = [TestKinds.Fast];
            }

            return test;
        }
    }
}
