using System.Globalization;
using Policyd.Actors.Cron;
using Policyd.Engine.Cron;
using Policyd.Tests.Plugins;

namespace Policyd.Tests.Cron;

public sealed class CronTaskSpecs
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    [Theory]
    [InlineData("0 * * * *", "2026-11-23T10:15:00+01:00", "2026-11-23T11:00:00+01:00")]
    [InlineData("0 0 * * 0", "2026-11-23T10:15:00+01:00", "2026-11-29T00:00:00+01:00")]
    [InlineData("0 0 1 * *", "2026-11-01T00:00:00+01:00", "2026-12-01T00:00:00+01:00")]
    [InlineData("@daily", "2026-11-23T10:15:00+01:00", "2026-11-24T00:00:00+01:00")]
    [InlineData("*/5 * * * * *", "2026-11-23T10:15:01+01:00", "2026-11-23T10:15:05+01:00")]
    // 02:30 does not exist on the day when the clocks go forward, and is there twice when they go back.
    [InlineData("30 2 * * *", "2026-03-29T00:00:00+01:00", "2026-03-29T03:00:00+02:00")]
    [InlineData("30 2 * * *", "2026-10-25T00:00:00+02:00", "2026-10-25T02:30:00+02:00")]
    [InlineData("30 2 * * *", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00")]
    public void Next_time_is_the_calendars_of_the_zone(string expression, string after, string next)
    {
        Assert.True(CronTask.TryCreate("t", expression, Berlin, out var task, out var error), error);
        Assert.Equal(
            DateTimeOffset.Parse(next, CultureInfo.InvariantCulture),
            task!.Next(DateTimeOffset.Parse(after, CultureInfo.InvariantCulture)));
    }

    [Fact]
    public void An_hourly_task_comes_every_hour_of_a_day_with_twenty_three_and_of_one_with_twenty_five()
    {
        Assert.True(CronTask.TryCreate("hourly", "0 * * * *", Berlin, out var task, out _));
        Assert.Equal(23, Count(task!, "2026-03-28T23:59:59+01:00", "2026-03-30T00:00:00+02:00") - 1);
        Assert.Equal(25, Count(task!, "2026-10-24T23:59:59+02:00", "2026-10-26T00:00:00+01:00") - 1);
    }

    // A busy machine may take seconds to load the ledger's library: a task that is due soon must not be missed for it.
    [Theory]
    [InlineData("0 * * * *", "2026-11-23T10:15:00+01:00", true, 30)]
    [InlineData("0 * * * *", "2026-11-23T10:59:15+01:00", true, 30)]
    [InlineData("0 * * * *", "2026-11-23T10:59:25+01:00", true, 20)]
    [InlineData("0 * * * *", "2026-11-23T10:59:50+01:00", true, 0)]
    [InlineData("* * * * * *", "2026-11-23T10:15:00+01:00", true, 0)]
    [InlineData("0 * * * *", "2026-11-23T10:15:00+01:00", false, 2685)]
    [InlineData("0 0 * * *", "2026-11-23T10:15:00+01:00", false, 3600)]
    [InlineData("* * * * * *", "2026-11-23T10:15:00+01:00", false, 0)]
    public void The_ledger_is_read_half_a_minute_after_the_start_or_before_the_first_task(
        string expression, string start, bool hasDatabase, int seconds)
    {
        Assert.True(CronTask.TryCreate("t", expression, Berlin, out var task, out _));
        Assert.True(CronTask.TryCreate("later", "0 0 1 1 *", Berlin, out var later, out _));
        var now = DateTimeOffset.Parse(start, CultureInfo.InvariantCulture);
        Assert.Equal(TimeSpan.FromSeconds(seconds), CronScheduler.WaitAfterStart([later!, task!], now, hasDatabase));
    }

    [Theory]
    [InlineData("tasks { hourly = \"61 * * * *\" }", "is not a valid cron expression")]
    [InlineData("tasks { nightly = daily }", "is not a valid cron expression")]
    [InlineData("tasks { leap = \"0 0 30 2 *\" }", "never matches any time")]
    [InlineData("tasks { \"a b\" = \"0 0 * * *\" }", "is not a valid task name")]
    [InlineData("tasks { daily = [1] }", "expected a cron expression or off")]
    [InlineData("tasks = hourly", "expected an object")]
    [InlineData("time_zone = Europe/Bonn", "has no time zone")]
    [InlineData("db = counters", "there is no SQL connection \"counters\"")]
    [InlineData("catchup = on", "did you mean \"catch_up\"?")]
    public void A_mistake_in_the_section_is_an_error(string section, string part)
    {
        Assert.Null(PolicyUnderTest.Build(
            "policyd { cron { " + section + " }, virtual_hosts = [ { port = 12345, plugins = [] } ] }", out var diagnostics));
        Assert.Contains(diagnostics.Errors, error => error.Message.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public void The_usual_tasks_are_there_unless_changed_and_others_are_added()
    {
        var plain = PolicyUnderTest.Build("policyd { virtual_hosts = [ { port = 12345, plugins = [] } ] }", out _)!;
        Assert.Equal(["hourly", "daily", "weekly", "monthly"], plain.Cron.Tasks.Select(task => task.Name));
        Assert.True(plain.Cron.Enabled);
        Assert.False(plain.Cron.CatchUp);

        var own = PolicyUnderTest.Build("""
            policyd { cron { catch_up = on, time_zone = Europe/Berlin, tasks { daily = "15 3 * * *", weekly = off, nightly = "30 4 * * *" } }
              virtual_hosts = [ { port = 12345, plugins = [] } ] }
            """, out var diagnostics)!;
        Assert.Equal(
            ["hourly (0 * * * *)", "monthly (0 0 1 * *)", "daily (15 3 * * *)", "nightly (30 4 * * *)"],
            own.Cron.Tasks.Select(task => task.ToString()));
        Assert.Contains(
            "catch_up has no effect without a SQL connection", Assert.Single(diagnostics.All).Message, StringComparison.Ordinal);
    }

    private static int Count(CronTask task, string from, string to)
    {
        var end = DateTimeOffset.Parse(to, CultureInfo.InvariantCulture);
        var count = 0;
        for (var at = task.Next(DateTimeOffset.Parse(from, CultureInfo.InvariantCulture)); at <= end; at = task.Next(at!.Value))
        {
            count++;
        }

        return count;
    }
}
