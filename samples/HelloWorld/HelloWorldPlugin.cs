using System.ComponentModel;
using Policyd.Plugins.Api;

namespace HelloWorld;

/// <summary>
/// Greets whom it does not know: the smallest module that shows every part of the API. Its README goes through it step by step.
/// </summary>
[Module("HelloWorld")]
public sealed class HelloWorldPlugin : Plugin
{
    private ulong _greeted;

    /// <summary>Whether it does anything; with uc_enabled a user decides.</summary>
    [Description("off: do nothing")]
    public UserOption<bool> Enabled { get; set; } = true;

    /// <summary>What it does with a mail.</summary>
    [Description("reject: reject with the text; header: add a header with the text; passive: only score")]
    public UserOption<HelloMode> Mode { get; set; } = HelloMode.Reject;

    /// <summary>What it says.</summary>
    [Description("the text after reject, or of the header")]
    public string Text { get; set; } = "Hello World!";

    /// <summary>What it adds to the score.</summary>
    [Description("the score to add, once per mail")]
    public double? Score { get; set; }

    /// <inheritdoc/>
    public override void Initialize(PluginSetup setup)
    {
        if (Text.Length > 200)
        {
            setup.Error("text", "is longer than 200 characters");
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<PluginResult> RunAsync(PluginContext context)
    {
        if (!Enabled.For(context))
        {
            return PluginResult.Continue;
        }

        var name = await context.CachedAsync(Name + "-name", () => LookUpAsync(context.Request.ClientName, context.Cancellation));
        Log(context, $"greeting {name}");
        Interlocked.Increment(ref _greeted);

        if (Score is { } score && !context.IsAlreadyDone(Name + "-score"))
        {
            context.AddScore(Name, score);
        }

        return Mode.For(context) switch
        {
            HelloMode.Reject => PluginResult.Answer($"reject {Text}"),
            HelloMode.Header => PluginResult.HeaderOnce(context.IsAlreadyDone(Name + "-tag"), "X-Hello", $"{Text} ({name})"),
            _ => PluginResult.Continue,
        };
    }

    /// <inheritdoc/>
    public override ValueTask CronAsync(CronContext cron)
    {
        if (cron.Has("weekly"))
        {
            Greetings.LogCount(cron.Logger, Interlocked.Exchange(ref _greeted, 0));
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Stands for a lookup somewhere else: DNS, a database, a web service.</summary>
    private static async ValueTask<string> LookUpAsync(string clientName, CancellationToken cancellation)
    {
        await Task.Yield();
        cancellation.ThrowIfCancellationRequested();
        return clientName is "" or "unknown" ? "stranger" : clientName;
    }
}
