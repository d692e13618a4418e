using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Policyd.Tests.Http;

/// <summary>A collector: it takes what is sent by OTLP over HTTP, and reads of the messages what the tests ask for.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly ConcurrentQueue<Span> _spans = new();
    private readonly ConcurrentDictionary<string, bool> _metrics = new(StringComparer.Ordinal);

    private OtlpReceiver(WebApplication application) => _application = application;

    /// <summary>A span.</summary>
    /// <param name="Trace">The trace that it belongs to.</param>
    /// <param name="Id">Its id.</param>
    /// <param name="Parent">The id of the span around it; empty for the first.</param>
    /// <param name="Name">Its name.</param>
    internal sealed record Span(string Trace, string Id, string Parent, string Name);

    /// <summary>The spans that came.</summary>
    public IReadOnlyList<Span> Spans => [.. _spans];

    /// <summary>The names of the metrics that came.</summary>
    public ICollection<string> Metrics => _metrics.Keys;

    public static async Task<OtlpReceiver> StartAsync(int port)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "collector" });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options => options.Listen(
            IPAddress.Loopback, port, static listen => listen.Protocols = HttpProtocols.Http1));
        var receiver = new OtlpReceiver(builder.Build());
        receiver._application.Run(receiver.TakeAsync);
        await receiver._application.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        if (context.Request.Path == "/v1/traces")
        {
            foreach (var span in Inside(body.ToArray(), 1, 2, 2))
            {
                _spans.Enqueue(new Span(Hex(span, 1), Hex(span, 2), Hex(span, 4), Text(span, 5)));
            }
        }
        else
        {
            foreach (var metric in Inside(body.ToArray(), 1, 2, 2))
            {
                _metrics[Text(metric, 1)] = true;
            }
        }
    }

    private static string Hex(byte[] message, int field) => Convert.ToHexString(Fields(message, field).FirstOrDefault() ?? []);

    private static string Text(byte[] message, int field) => Encoding.UTF8.GetString(Fields(message, field).FirstOrDefault() ?? []);

    /// <summary>The messages at a path of fields.</summary>
    private static IEnumerable<byte[]> Inside(byte[] message, params int[] path) => path.Aggregate(
        (IEnumerable<byte[]>)[message], static (messages, field) => messages.SelectMany(one => Fields(one, field)));

    /// <summary>The values of a field of a protobuf message, of those that have a length.</summary>
    private static IEnumerable<byte[]> Fields(byte[] message, int field)
    {
        var at = 0;
        while (at < message.Length)
        {
            var tag = Number(message, ref at);
            var length = (tag & 7) switch { 0 => 0, 1 => 8, 5 => 4, _ => (int)Number(message, ref at) };
            if ((tag & 7) == 0)
            {
                Number(message, ref at);
            }

            if ((tag & 7) == 2 && (int)(tag >> 3) == field)
            {
                yield return message[at..(at + length)];
            }

            at += length;
        }
    }

    private static ulong Number(byte[] message, ref int at)
    {
        var (value, shift) = (0UL, 0);
        while (true)
        {
            var next = message[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }

            shift += 7;
        }
    }
}
