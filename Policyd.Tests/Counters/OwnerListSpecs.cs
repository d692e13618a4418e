using Policyd.Actors.Counters;
using Policyd.Plugins.Counters;
using Policyd.Tests.Support;

namespace Policyd.Tests.Counters;

public sealed class OwnerListSpecs
{
    private readonly OwnerHome _home = EmptyNode.Home();
    private readonly OwnerList _list = new();

    [Fact]
    public void Owners_are_in_it_from_when_they_are_put_in_until_they_are_taken_out()
    {
        var seed = TestSeed.Next();
        var random = new Random(seed);
        var expected = new HashSet<OwnerEntry>();
        for (var step = 0; step < 2_000; step++)
        {
            if (random.Next(3) > 0)
            {
                var entry = Entry(step);
                expected.Add(entry);
                _list.Add(entry);
            }
            else if (expected.Count > 0)
            {
                var entry = expected.ElementAt(random.Next(expected.Count));
                expected.Remove(entry);
                _list.Remove(entry);
                _list.Remove(entry);   // a second time it is in no list
            }

            Assert.True(expected.SetEquals(_list) && _list.Count == expected.Count, $"seed {seed}, step {step}");
        }
    }

    [Fact]
    public void One_that_is_in_no_list_takes_none_out_of_this_one()
    {
        var former = new OwnerList();
        OwnerEntry[] entries = [Entry(1), Entry(2), Entry(3)];
        foreach (var entry in entries)
        {
            former.Add(entry);
        }

        former.Clear();
        Assert.Empty(former);
        var mine = Entry(4);
        _list.Add(mine);
        foreach (var entry in entries)
        {
            _list.Remove(entry);
        }

        Assert.Same(mine, Assert.Single(_list));
        Assert.Equal(1, _list.Count);
    }

    private OwnerEntry Entry(int number) => new(new CounterKey("db", "acct_sender", $"{number}"), _home);
}
