using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Policyd.Configuration.Sources;
using Policyd.Engine.Decisions;
using Policyd.Engine.Following;
using Policyd.Engine.Logging;
using Policyd.Engine.Model;
using Policyd.Protocol;
using Policyd.Server.ExitCodes;
using Policyd.Server.Logging;

namespace Policyd.Server.Recording;

/// <summary>
/// Keeps requests with their answers in a file. A request hands its record to a queue of its own, whose thread writes it: a disk that
/// cannot keep up, or is full, costs records and no mail.
/// </summary>
internal sealed partial class RequestRecorder : IDecisionListener, IDisposable
{
    private readonly LogQueue _queue;
    private readonly ILogger _logger;
    private readonly string _file;
    private readonly uint _sampled;

    /// <exception cref="CommandException">The file cannot be opened.</exception>
    public RequestRecorder(RecordOptions options, ILogger logger)
    {
        _logger = logger;
        _file = Path.GetFullPath(options.File);
        _sampled = (uint)(options.Sample * uint.MaxValue);
        try
        {
            var mask = new ValueMask(options.Mask, options.Mask.Count == 0 ? [] : KeyOf(_file + ".key"));
            _queue = new LogQueue([new RecordFile(_file, options.MaxSize.Bytes, mask, End)]);
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.NoPermission, $"no permission to write the recording {_file}");
        }
        catch (Exception failure) when (failure is IOException or InvalidDataException)
        {
            throw new CommandException(ExitCode.CannotCreate, $"cannot open the recording {_file}: {failure.Message}");
        }
    }

    /// <inheritdoc/>
    public DecisionDepth Depth => DecisionDepth.None;

    /// <inheritdoc/>
    public void Decided(RequestRecord record)
    {
        if (record.VirtualHost is not null && IsSampled(record.Request))
        {
            record.Hold();
            _queue.Write(new LogEvent(TimeProvider.System.GetLocalNow(), LogSeverity.Notice, record));
        }
    }

    /// <summary>The file was moved away, or there is room again.</summary>
    public void Reopen() => _queue.Reopen();

    /// <inheritdoc/>
    public void Dispose() => _queue.Dispose();

    // The hash is another one in each process, but the same for all requests of a mail.
    private bool IsSampled(PolicyRequest request) =>
        _sampled == uint.MaxValue || Hash(request.Utf8(PolicyAttribute.Instance)) < _sampled;

    private static uint Hash(ReadOnlySpan<byte> instance)
    {
        if (instance.IsEmpty)
        {
            return (uint)Random.Shared.NextInt64(1L << 32);
        }

        var hash = default(HashCode);
        hash.AddBytes(instance);
        return (uint)hash.ToHashCode();
    }

    private void End(Exception failure) => Ended(_logger, _file, LogText.OneLine(failure.Message));

    // Made at the first start, so that a value has the same hash after a restart. Whoever has it can try values out: it stays here.
    private static byte[] KeyOf(string path)
    {
        if (!File.Exists(path))
        {
            var made = RandomNumberGenerator.GetBytes(ValueMask.KeySize);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using var file = new FileStream(path, options);
            file.Write(made);
            return made;
        }

        RegularFile.Demand(path);
        var key = File.ReadAllBytes(path);
        return key.Length == ValueMask.KeySize
            ? key
            : throw new InvalidDataException($"{path} has {key.Length} bytes, and a key has {ValueMask.KeySize}; delete it for a new one");
    }

    [LoggerMessage(
        EventId = 240,
        Level = LogLevel.Error,
        Message = "the recording {File} has ended: {Reason}; SIGUSR1 or a reload begins it again")]
    private static partial void Ended(ILogger logger, string file, string reason);
}
