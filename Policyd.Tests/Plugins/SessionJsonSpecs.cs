using System.Net;
using System.Text.Json.Serialization;
using Policyd.Plugins.Api;
using Policyd.Plugins.Sessions;

namespace Policyd.Tests.Plugins;

/// <summary>What is put into a session comes back as it was, or is an error when it is put.</summary>
public sealed class SessionJsonSpecs
{
    public static TheoryData<object> Kept =>
    [
        ("reject", 7), ("a", (1.5, true), new[]
        {
            "x"
        }), (1, 2, 3, 4, 5, 6, 7, 8, "nine"), (Name: (string?)null, Score: double.NaN), double.PositiveInfinity,
        new Verdict("reject", 3), new Verdict("", 0)
        {
            Note = "n"
        }, new Mutable { Field = 4, Property = "p" }, DayOfWeek.Friday, new Dictionary<string, (int, string)> { ["a"] = (1, "b") },
        new List<Verdict> { new("x", 1) }, new ReadOnly(5), TimeSpan.FromSeconds(
            3), new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1)), Guid.Empty, 3.25m, new HashSet<int> { 3, 1 },
        new OwnField { Value = 9 }, new Ignoring { Value = 2 }, (byte[])[
            1, 2, 255
        ], new KeyValuePair<int, string>(1, "x"), new Polymorphic(), new Tree { Children = [new Tree()] }, new Empty(),
    ];

    public static TheoryData<object, string> Refused => new()
    {
        { new PrivateSetter(7), "PrivateSetter.Value cannot be set" },
        { new GetOnly(), "GetOnly.Value cannot be set" },
        { new Hidden { Value = 1 }, "Hidden.Value is not public" },
        { new AllPrivate(3), "AllPrivate has no public property or field" },
        { new Liar(3), "differs from the stored one" },
        { new List<PrivateSetter> { new(1) }, "PrivateSetter.Value cannot be set" },
        { ("x", new PrivateSetter(1)), "PrivateSetter.Value cannot be set" },
        { new Holder { Shape = new Square() }, "IShape is an interface" },
        { new Loose { Any = 3 }, "Object does not tell the type of its value" },
        { new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase) { ["A"] = 1 }, "comparer" },
        { new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "A" }, "comparer" },
        { IPAddress.Loopback, "" },
        { (Action)(static () => { }), "does not tell the type of its value" },
    };

    private interface IShape
    {
        int Size { get; }
    }

    [Theory]
    [MemberData(nameof(Kept))]
    public void Value_comes_back(object value) => typeof(SessionJsonSpecs).GetMethod(
        nameof(ComesBack), System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)!
        .MakeGenericMethod(value.GetType()).Invoke(null, [value]);

    [Theory]
    [MemberData(nameof(Refused))]
    public void Value_that_would_not_come_back_is_an_error_each_time(object value, string why)
    {
        var put = typeof(SessionJsonSpecs).GetMethod(nameof(Put), System.Reflection.BindingFlags.NonPublic
            | System.Reflection.BindingFlags.Static)!.MakeGenericMethod(value.GetType());
        for (var time = 0; time < 3; time++)
        {
            var error = Assert.IsType<InvalidOperationException>(
                Assert.Throws<System.Reflection.TargetInvocationException>(() => put.Invoke(null, [value])).InnerException);
            Assert.Contains(why, error.Message, StringComparison.Ordinal);
            Assert.Contains("\"key\"", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Tuple_that_may_be_null_comes_back()
    {
        ComesBack<(string Action, double Score)?>(("reject", 7.5));
        ComesBack<(string Action, double Score)?>(null);
        ComesBack(new Dictionary<string, int>(StringComparer.Ordinal) { ["A"] = 1 });
    }

    [Fact]
    public void Interface_derived_class_and_circle_are_errors()
    {
        Assert.Throws<InvalidOperationException>(static () => Put<IShape>(new Square()));
        Assert.Throws<InvalidOperationException>(static () => Put<object>(new Verdict("x", 1)));
        Put<Polymorphic>(new MorePolymorphic { More = 1 });
        Put(new Square());
        Assert.Throws<InvalidOperationException>(static () => Put<Square>(new BigSquare { More = 1 }));
        var circle = new Tree();
        circle.Children.Add(circle);
        Put(new Tree());
        Assert.Throws<InvalidOperationException>(() => Put(circle));
    }

    [Fact]
    public void Type_with_own_fields_is_looked_at_each_time()
    {
        Put(new Liar(0));   // what is lost is the default
        Assert.Throws<InvalidOperationException>(static () => Put(new Liar(3)));
    }

    [Fact]
    public void Later_values_of_a_type_cost_no_second_look()
    {
        var session = new Session();
        session.Set("a", ("x", 1));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            session.Set("a", ("x", 1));
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000 * 600);
    }

    [Fact]
    public async Task Tuple_that_is_cached_is_the_same_for_each_recipient()
    {
        var computed = 0;
        await using var server = await Actors.ServerUnderTest.RunningAsync(async context =>
        {
            var (action, count) = await context.CachedAsync("verdict", () => new ValueTask<(string, int)>(("reject once", ++computed)));
            return PluginResult.Answer($"{action} {count}");
        });
        foreach (var recipient in new[] { "a@example.org", "b@example.org", "c@example.org" })
        {
            Assert.Equal("reject once 1", await server.AskAsync("mail.1", recipient));
        }
    }

    private static void ComesBack<T>(T value)
    {
        var session = new Session();
        session.Set("key", value);
        var copy = Session.FromJson(session.ToJson());
        Assert.True(copy.TryGet<T>("key", out var back));
        Assert.Equivalent(value, back, strict: true);
    }

    private static void Put<T>(T value) => new Session().Set("key", value);

    private sealed record Verdict(string Action, double Score)
    {
        public string? Note { get; init; }

        public bool IsBad => Score > 2;
    }

    private sealed class Mutable
    {
        public int Field;

        public string? Property { get; set; }
    }

    private sealed class ReadOnly(int value)
    {
        public int Value { get; } = value;
    }

    private sealed class OwnField
    {
        private int _value;

        public int Value
        {
            get => _value;
            set => _value = value;
        }
    }

    private sealed class Ignoring
    {
        public int Value { get; set; }

        [JsonIgnore]
        public int Seen { get; set; }
    }

    [JsonDerivedType(typeof(Polymorphic), "p")]
    [JsonDerivedType(typeof(MorePolymorphic), "m")]
    private class Polymorphic
    {
        public int Size { get; set; } = 2;
    }

    private sealed class MorePolymorphic : Polymorphic
    {
        public int More { get; set; }
    }

    private sealed class Tree
    {
        public List<Tree> Children { get; set; } = [];
    }

    private sealed class Empty;

    private sealed class PrivateSetter
    {
        public PrivateSetter()
        {
        }

        public PrivateSetter(int number) => Value = number;

        public int Value { get; private set; }
    }

    private sealed class GetOnly
    {
        public int Value { get; } = Environment.ProcessId;
    }

    private sealed class Hidden
    {
        public int Shown { get; set; }

        internal int Value { get; set; }
    }

    private sealed class AllPrivate(int number)
    {
        private readonly int _number = number;

        public override string ToString() => $"{_number}";
    }

    private sealed class Liar
    {
        private readonly int _number;

        public Liar()
        {
        }

        public Liar(int number) => _number = number;

        public int Value => _number;
    }

    private class Square : IShape
    {
        public int Size { get; set; } = 3;
    }

    private sealed class BigSquare : Square
    {
        public int More { get; set; }
    }

    private sealed class Holder
    {
        public IShape? Shape { get; set; }
    }

    private sealed class Loose
    {
        public object? Any { get; set; }
    }
}
