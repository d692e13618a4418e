using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Policyd.Tests.Support;

/// <summary>What a scripted server does wrong.</summary>
internal enum DnsFault
{
    None,
    Silence,
    ServFail,
    Refused,

    /// <summary>UDP answers are cut; TCP has them whole.</summary>
    Truncate,

    /// <summary>Only answers with a foreign id.</summary>
    WrongId,

    /// <summary>A forged answer (203.0.113.66) with a foreign id, then the right one.</summary>
    WrongIdFirst,

    /// <summary>A forged answer to another question, then the right one.</summary>
    WrongQuestionFirst,

    /// <summary>A datagram of three bytes, then nothing.</summary>
    Garbage,

    /// <summary>The right header and question, then a record that reaches beyond the message.</summary>
    Malformed,

    /// <summary>The owner of the record is a name that points to itself.</summary>
    PointerLoop,

    /// <summary>FORMERR for whatever has EDNS, as old servers do.</summary>
    NoEdns,

    /// <summary>Silence where the name has no record of the kind.</summary>
    SilenceOtherwise,

    /// <summary>NXDOMAIN, and the records of the name all the same.</summary>
    AbsentWithRecords,
}

/// <summary>
/// A DNS server on loopback, UDP and TCP on one port, with records and faults that a test writes. It shares no code with the resolver that
/// it tests: a mistake in one is not hidden by the same in the other.
/// </summary>
internal sealed class ScriptedDnsServer : IAsyncDisposable
{
    private readonly TcpListener _tcp;
    private readonly Socket _udp;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, List<Record>> _records = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, DnsFault> _faults = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, bool> _signed = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentQueue<(string Name, int Type, bool ByTcp)> _queries = new();
    private readonly Task[] _serving;
    private TaskCompletionSource? _held;

    public ScriptedDnsServer()
    {
        (_tcp, _udp) = Bind();
        _serving = [ServeUdpAsync(), ServeTcpAsync()];
    }

    public int Port => ((IPEndPoint)_udp.LocalEndPoint!).Port;

    public string Address => $"127.0.0.1:{Port}";

    /// <summary>TTL and minimum of the SOA record in negative answers; null: none is sent.</summary>
    public (int Ttl, int Minimum)? Negative { get; set; } = (300, 300);

    /// <summary>What is wrong with the answers to all names that have no fault of their own.</summary>
    public DnsFault Fault { get; set; }

    /// <summary>What is wrong with the answers to a name, where nothing was said of that name; null: <see cref="Fault"/>.</summary>
    public Func<string, DnsFault?>? FaultOf { get; set; }

    /// <summary>Told of a name before it is answered: records can be made for it.</summary>
    public Action<string>? OnQuery { get; set; }

    /// <summary>How long each answer takes.</summary>
    public TimeSpan Delay { get; set; }

    public int Queries => _queries.Count;

    public int TcpQueries => _queries.Count(query => query.ByTcp);

    public IReadOnlyList<string> Names => [.. _queries.Select(query => query.Name)];

    public int CountOf(string name, int? type = null) =>
        _queries.Count(query => query.Name.Equals(name, StringComparison.OrdinalIgnoreCase) && (type is null || query.Type == type));

    public ScriptedDnsServer A(string name, string address, int ttl = 300) => Add(name, 1, ttl, IPAddress.Parse(address).GetAddressBytes());

    public ScriptedDnsServer Aaaa(string name, string address, int ttl = 300) =>
        Add(name, 28, ttl, IPAddress.Parse(address).GetAddressBytes());

    public ScriptedDnsServer Cname(string name, string target, int ttl = 300) => Add(name, 5, ttl, Labels(target));

    public ScriptedDnsServer Ptr(string name, string target, int ttl = 300) => Add(name, 12, ttl, Labels(target));

    public ScriptedDnsServer Mx(string name, int preference, string host, int ttl = 300) =>
        Add(name, 15, ttl, [(byte)(preference >> 8), (byte)preference, .. Labels(host)]);

    public ScriptedDnsServer Txt(string name, params string[] strings) =>
        Add(
            name,
            16,
            300,
            [.. strings.SelectMany(text => (byte[])[(byte)Encoding.Latin1.GetByteCount(text), .. Encoding.Latin1.GetBytes(text)])]);

    public ScriptedDnsServer Add(string name, int type, int ttl, byte[] data)
    {
        var records = _records.GetOrAdd(name, _ => []);
        lock (records)
        {
            records.Add(new Record(type, ttl, data));
        }

        return this;
    }

    public ScriptedDnsServer Remove(string name)
    {
        _records.TryRemove(name, out _);
        return this;
    }

    /// <summary>Forgets all records and all faults of names.</summary>
    public void Clear()
    {
        _records.Clear();
        _faults.Clear();
    }

    /// <summary>What is wrong with the answers to one name.</summary>
    public ScriptedDnsServer With(DnsFault fault, string name)
    {
        _faults[name] = fault;
        return this;
    }

    /// <summary>
    /// The name's records count as validated by DNSSEC: whoever asks for the AD bit (RFC 6840, section 5.7) has it in the answer.
    /// </summary>
    public ScriptedDnsServer Signed(string name)
    {
        _signed[name] = true;
        return this;
    }

    /// <summary>From now on no answer is sent before <see cref="Release"/>; questions are counted all the same.</summary>
    public void Hold() =>
        Interlocked.CompareExchange(ref _held, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), null);

    public void Release() => Interlocked.Exchange(ref _held, null)?.SetResult();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Release();
        await Task.WhenAll(_serving);
        _tcp.Dispose();
        _udp.Dispose();
        _stop.Dispose();
    }

    private static (TcpListener Tcp, Socket Udp) Bind()
    {
        for (var tries = 0; ; tries++)
        {
            var tcp = new TcpListener(IPAddress.Loopback, 0);
            tcp.Start();
            var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            try
            {
                udp.Bind(tcp.LocalEndpoint);
                return (tcp, udp);
            }
            catch (SocketException) when (tries < 100)
            {
                tcp.Dispose();
                udp.Dispose();
            }
        }
    }

    private async Task ServeUdpAsync()
    {
        var buffer = new byte[4096];
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var received = await _udp.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stop.Token);
                _ = AnswerUdpAsync(buffer[..received.ReceivedBytes], received.RemoteEndPoint);
            }
            catch (SocketException)
            {
                // Somebody who asked is gone: an ICMP message of his.
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task AnswerUdpAsync(byte[] query, EndPoint from)
    {
        try
        {
            foreach (var message in await AnswersAsync(query, byTcp: false))
            {
                await _udp.SendToAsync(message, SocketFlags.None, from, _stop.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeTcpAsync()
    {
        try
        {
            while (true)
            {
                _ = AnswerTcpAsync(await _tcp.AcceptTcpClientAsync(_stop.Token));
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task AnswerTcpAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            var stream = client.GetStream();
            var length = new byte[2];
            while (true)
            {
                await stream.ReadExactlyAsync(length, _stop.Token);
                var query = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                await stream.ReadExactlyAsync(query, _stop.Token);
                foreach (var message in await AnswersAsync(query, byTcp: true))
                {
                    await stream.WriteAsync((byte[])[(byte)(message.Length >> 8), (byte)message.Length, .. message], _stop.Token);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task<IReadOnlyList<byte[]>> AnswersAsync(byte[] query, bool byTcp)
    {
        var (name, type, end) = Question(query);
        _queries.Enqueue((name, type, byTcp));
        OnQuery?.Invoke(name);
        if (Volatile.Read(ref _held) is { } held)
        {
            await held.Task;
        }

        if (Delay > TimeSpan.Zero)
        {
            await Task.Delay(Delay, _stop.Token);
        }

        var fault = _faults.TryGetValue(name, out var own) ? own : FaultOf?.Invoke(name) ?? Fault;
        var edns = query[11] == 1;
        var right = Reply(query, end, name, type);
        var limit = byTcp ? 65535 : edns ? BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(end + 3)) : 512;
        if (right.Length > limit)
        {
            right = Header(query, end, flags: 0x0200, code: 0);
        }

        return fault switch
        {
            DnsFault.Silence => [],
            DnsFault.SilenceOtherwise when !Array.Exists(Of(name), record => record.Type == type) => [],
            DnsFault.ServFail => [Header(query, end, 0, 2)],
            DnsFault.Refused => [Header(query, end, 0, 5)],
            DnsFault.Truncate when !byTcp => [Header(query, end, 0x0200, 0)],
            DnsFault.WrongId => [OtherId(Forged(query, end))],
            DnsFault.WrongIdFirst => [OtherId(Forged(query, end)), right],
            DnsFault.WrongQuestionFirst => [OtherQuestion(Forged(query, end)), right],
            DnsFault.Garbage => [[1, 2, 3]],
            DnsFault.Malformed => [[.. WithCount(Header(query, end, 0, 0)), 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 127]],
            DnsFault.PointerLoop => [[.. WithCount(Header(query, end, 0, 0)), 0xc0, (byte)end, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 2]],
            DnsFault.NoEdns when edns => [Header(query, end, 0, 1)],
            DnsFault.AbsentWithRecords => [[.. right[..3], (byte)(right[3] | 3), .. right[4..]]],
            _ => [right],
        };
    }

    private static (string Name, int Type, int End) Question(byte[] query)
    {
        var labels = new List<string>();
        var at = 12;
        for (; query[at] != 0; at += query[at] + 1)
        {
            labels.Add(Encoding.Latin1.GetString(query, at + 1, query[at]));
        }

        return (string.Join('.', labels), BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(at + 1)), at + 5);
    }

    private byte[] Reply(byte[] query, int end, string name, int type)
    {
        var answers = new List<byte>();
        var count = 0;
        var owner = name;
        for (var steps = 0; steps < 20; steps++)
        {
            var records = Of(owner);
            var found = records.Where(record => record.Type == type).ToList();
            foreach (var record in found)
            {
                Append(answers, owner == name ? [0xc0, 12] : Labels(owner), record);
                count++;
            }

            if (found.Count > 0 || records.FirstOrDefault(record => record.Type == 5) is not { } alias)
            {
                break;
            }

            Append(answers, owner == name ? [0xc0, 12] : Labels(owner), alias);
            count++;
            owner = Target(alias.Data);
        }

        var hasData = count > 0 && Of(owner).Any(record => record.Type == type);
        var exists = _records.Keys.Any(other => other.Equals(owner, StringComparison.OrdinalIgnoreCase)
            || other.EndsWith("." + owner, StringComparison.OrdinalIgnoreCase));
        var message = Header(query, end, 0, exists ? 0 : 3);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(6), (ushort)count);
        message[3] |= (byte)(_signed.ContainsKey(name) ? query[3] & 0x20 : 0);
        if (!hasData && Negative is var (ttl, minimum))
        {
            message[9] = 1;
            byte[] soa = [
                .. Labels("ns.test"), .. Labels("hostmaster.test"), .. Number(1), .. Number(3600), .. Number(600), .. Number(86400),
                .. Number(minimum)
            ];
            Append(answers, Labels("test"), new Record(6, ttl, soa));
        }

        return [.. message, .. answers];
    }

    private Record[] Of(string name)
    {
        if (!_records.TryGetValue(name, out var records))
        {
            return [];
        }

        lock (records)
        {
            return [.. records];
        }
    }

    private static byte[] Header(byte[] query, int end, int flags, int code)
    {
        var message = query[..end];
        message[2] = (byte)(0x81 | (flags >> 8));
        message[3] = (byte)(0x80 | code);
        message.AsSpan(6, 6).Clear();
        return message;
    }

    private static byte[] Forged(byte[] query, int end) =>
        [.. WithCount(Header(query, end, 0, 0)), 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 203, 0, 113, 66];

    private static byte[] WithCount(byte[] message)
    {
        message[7] = 1;
        return message;
    }

    private static byte[] OtherId(byte[] message)
    {
        message[0] ^= 0x55;
        return message;
    }

    private static byte[] OtherQuestion(byte[] message)
    {
        message[13] = (byte)(message[13] == 'x' ? 'y' : 'x');
        return message;
    }

    private static void Append(List<byte> to, byte[] owner, Record record) =>
        to.AddRange([
            .. owner, (byte)(record.Type >> 8), (byte)record.Type, 0, 1, .. Number(record.Ttl), (byte)(record.Data.Length >> 8),
            (byte)record.Data.Length, .. record.Data
        ]);

    private static byte[] Number(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    private static byte[] Labels(string name) =>
        [.. name.Split('.', StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(label => (byte[])[(byte)label.Length, .. Encoding.Latin1.GetBytes(label)]), 0];

    private static string Target(byte[] data)
    {
        var labels = new List<string>();
        for (var at = 0; data[at] != 0; at += data[at] + 1)
        {
            labels.Add(Encoding.Latin1.GetString(data, at + 1, data[at]));
        }

        return string.Join('.', labels);
    }

    private sealed record Record(int Type, int Ttl, byte[] Data);
}
