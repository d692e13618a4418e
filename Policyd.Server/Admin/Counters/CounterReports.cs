// What the counter commands answer. The names are the JSON's, which scripts read: they may become more, never others.

using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Policyd.Engine.Model;
using Policyd.Modules;
using Policyd.Plugins.Counters;

namespace Policyd.Server.Admin.Counters;

/// <summary>The four sums.</summary>
internal sealed record SumsReport(long Count, long CountRcpt, long Size, long SizeRcpt)
{
    public static SumsReport Of(CounterAmounts amounts) => new(amounts.Count, amounts.CountRcpt, amounts.Size, amounts.SizeRcpt);

    public CounterAmounts ToAmounts() => new(Count, CountRcpt, Size, SizeRcpt);
}

/// <summary>What mails that are let in and not counted yet hold.</summary>
internal sealed record ReservedReport(int Mails, SumsReport Sums);

/// <summary>A Quota beside the counter it compares.</summary>
/// <param name="VirtualHost">The virtual host of its chain.</param>
/// <param name="Plugin">Its name.</param>
/// <param name="Metric">What it compares.</param>
/// <param name="Threshold">Its own threshold.</param>
/// <param name="ThresholdFromSession">The session's key that may name another for a mail.</param>
/// <param name="Mode">enforce or observe.</param>
/// <param name="OwnThreshold">The threshold that the key's last mail had instead; null when it had none, or the server has forgotten
/// it.</param>
/// <param name="UsedPercent">
/// The metric's sum in hundredths of the threshold that holds for the key; null in a list of quotas, and for a threshold of nothing.
/// </param>
internal sealed record QuotaReport(
    string VirtualHost,
    string Plugin,
    string Metric,
    double Threshold,
    string? ThresholdFromSession,
    string Mode,
    double? OwnThreshold,
    double? UsedPercent)
{
    /// <summary>The quota alone, as it is configured.</summary>
    public static QuotaReport Of(CounterQuota quota) => Of(quota, null, null);

    /// <summary>The quota and how much of it a key has used.</summary>
    public static QuotaReport Of(CounterQuota quota, CounterKey key, CounterAmounts total) =>
        Of(quota, quota.Limit.OwnLimits.Of(key), total);

    private static QuotaReport Of(CounterQuota quota, double? own, CounterAmounts? total) => new(
        quota.VirtualHost,
        quota.Plugin,
        MetricNames.Of(quota.Limit.Metric),
        quota.Limit.Threshold,
        quota.Limit.ThresholdFromSession,
        quota.Limit.IsObserved ? "observe" : "enforce",
        own,
        total is { } sums && (own ?? quota.Limit.Threshold) is var holds && holds > 0 && double.IsFinite(holds)
            ? Math.Round(100.0 * sums[quota.Limit.Metric] / holds, 1) // not in 64 bits, which a sum may fill
            : null);
}

/// <summary>A window.</summary>
/// <param name="Name">Of a calendar window its text in the table, of a rolling one its length.</param>
/// <param name="TimePattern">The pattern that makes a calendar window's text; null when no plugin of the server does.</param>
/// <param name="Rolling">The length of a rolling window; null for a calendar one.</param>
internal sealed record WindowReport(string Name, string? TimePattern, string? Rolling);

/// <summary>One window of one counter.</summary>
internal sealed record CounterWindowReport(
    WindowReport Window, SumsReport Sums, ReservedReport Reserved, IReadOnlyList<QuotaReport> Quotas);

/// <summary>The answer to <c>counter.get</c>.</summary>
/// <param name="Connection">The SQL connection.</param>
/// <param name="Table">The table.</param>
/// <param name="Key">The key.</param>
/// <param name="Windows">Its windows.</param>
/// <param name="Deferred">What of this server waits for the database, of all keys and tables of the connection; absent when nothing
/// does.</param>
internal sealed record GetReport(
    string Connection,
    string Table,
    string Key,
    IReadOnlyList<CounterWindowReport> Windows,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DeferredReport? Deferred = null);

/// <summary>Mails that were answered and are not in the database yet.</summary>
/// <param name="Mails">How many.</param>
/// <param name="InSpool">How many of them are in the spool.</param>
/// <param name="Reason">What the database last said.</param>
internal sealed record DeferredReport(long Mails, long InSpool, string Reason)
{
    /// <summary>For a sentence that says that the database is away.</summary>
    [JsonIgnore]
    public string Clause => string.Create(CultureInfo.InvariantCulture, $"; deferred mails: {Mails}, of them in the spool: {InSpool}");
}

/// <summary>A line of <c>counter.list</c>.</summary>
internal sealed record RowReport(string Key, SumsReport Sums, IReadOnlyList<QuotaReport> Quotas);

/// <summary>The answer to <c>counter.list</c>.</summary>
internal sealed record ListReport(
    string Connection,
    string Table,
    WindowReport Window,
    string By,
    long Limit,
    IReadOnlyList<QuotaReport> Quotas,
    IReadOnlyList<RowReport> Rows);

/// <summary>The answer to <c>counter.set</c>.</summary>
internal sealed record SetReport(string Connection, string Table, string Key, WindowReport Window, SumsReport Before, SumsReport After);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, Converters = [typeof(LimitConverter)])]
[JsonSerializable(typeof(GetReport))]
[JsonSerializable(typeof(ListReport))]
[JsonSerializable(typeof(SetReport))]
internal sealed partial class CounterReports : JsonSerializerContext
{
    public static JsonNode ToNode<T>(T report, JsonTypeInfo<T> type) => JsonSerializer.SerializeToNode(report, type)!;
}

/// <summary>JSON has no number for a threshold without a limit: it is written as it is configured.</summary>
internal sealed class LimitConverter : JsonConverter<double>
{
    public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && reader.ValueTextEquals(QuotaLimit.UnlimitedText)
            ? double.PositiveInfinity
            : reader.GetDouble();

    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
    {
        if (double.IsPositiveInfinity(value))
        {
            writer.WriteStringValue(QuotaLimit.UnlimitedText);
        }
        else
        {
            writer.WriteNumberValue(value);
        }
    }
}

/// <summary>The metrics as they are configured and as their columns are called.</summary>
internal static class MetricNames
{
    public static IReadOnlyList<string> All { get; } = ["count", "count_rcpt", "size", "size_rcpt"];

    public static string Of(CounterMetric metric) => All[(int)metric];

    public static CounterMetric? Parse(string name)
    {
        for (var index = 0; index < All.Count; index++)
        {
            if (All[index] == name)
            {
                return (CounterMetric)index;
            }
        }

        return null;
    }
}
