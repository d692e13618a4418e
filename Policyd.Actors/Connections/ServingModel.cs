using Policyd.Engine.Model;
using Policyd.Protocol;

namespace Policyd.Actors.Connections;

/// <summary>A model, with its options in the form in which each request needs them. A reload puts another one into its place.</summary>
internal sealed class ServingModel
{
    public ServingModel(PolicyServerModel model)
    {
        Model = model;
        RequestTimeout = Math.Max(1, (long)model.Options.RequestTimeout.TotalMilliseconds);
        KeepaliveTimeout = (long)model.Options.KeepaliveTimeout.TotalMilliseconds;
        MaxKeepalive = model.Options.MaxKeepalive;
        OnErrorAction = model.Options.OnError.Action;
        OnError = OnErrorAction is { } action ? PolicyReply.Encode(action) : null;
        Limits = new RequestLimits { MaxRequestBytes = (int)Math.Min(int.MaxValue, model.Options.MaxRequestBytes.Bytes) };
        Room = OpenFiles.RoomFor(model);
    }

    public PolicyServerModel Model { get; }

    /// <summary>Connections that the limit of open files leaves room for; further ones wait to be accepted.</summary>
    public int Room { get; }

    public RequestLimits Limits { get; }

    /// <summary>Milliseconds.</summary>
    public long RequestTimeout { get; }

    /// <summary>Milliseconds; 0: an idle connection stays open.</summary>
    public long KeepaliveTimeout { get; }

    /// <summary>Requests of a connection; 0: any number.</summary>
    public int MaxKeepalive { get; }

    /// <summary>The global on_error action; null: close without one.</summary>
    public string? OnErrorAction { get; }

    /// <summary>The encoded global on_error answer; null: close without one.</summary>
    public byte[]? OnError { get; }
}
