using Microsoft.Extensions.Logging;
using Policyd.Engine.Following;
using Policyd.Engine.Model;
using Policyd.Server.ExitCodes;

namespace Policyd.Server.Recording;

/// <summary>The server's recording, which a reload may begin, end, or put elsewhere.</summary>
internal sealed class RequestRecording(DecisionListeners decisions, ILogger logger) : IDisposable
{
    private readonly Lock _lock = new();
    private RequestRecorder? _recorder;
    private IDisposable? _listening;

    /// <summary>Opens what the options ask for, beside what there is.</summary>
    /// <returns>The recorder, for <see cref="Use"/>; null where nothing is to be recorded.</returns>
    /// <exception cref="CommandException">The file cannot be opened.</exception>
    public RequestRecorder? Open(RecordOptions? options) => options is null ? null : new RequestRecorder(options, logger);

    /// <summary>Records with this one from now on, and ends the one before.</summary>
    public void Use(RequestRecorder? recorder)
    {
        lock (_lock)
        {
            _listening?.Dispose();
            _recorder?.Dispose();
            _recorder = recorder;
            _listening = recorder is null ? null : decisions.Listen(recorder);
        }
    }

    /// <summary>The file was moved away, or there is room on the disk again.</summary>
    public void Reopen()
    {
        lock (_lock)
        {
            _recorder?.Reopen();
        }
    }

    public void Dispose() => Use(null);
}
