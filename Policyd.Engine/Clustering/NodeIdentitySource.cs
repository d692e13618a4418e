namespace Policyd.Engine.Clustering;

/// <summary>
/// The identity of this node as its files have it now. They are read at each handshake, which is rare: renewed files are taken without a
/// restart, and without a timer. Files that do not fit each other, as in the middle of a renewal, leave the identity as it was.
/// </summary>
public sealed class NodeIdentitySource
{
    private readonly ClusterTlsOptions _options;
    private readonly Lock _lock = new();
    private TlsFiles? _files;
    private NodeIdentity? _identity;

    /// <summary>Nothing is read yet.</summary>
    /// <param name="options">Where the files are.</param>
    public NodeIdentitySource(ClusterTlsOptions options) => _options = options;

    /// <summary>Told when renewed files are taken.</summary>
    public Action<NodeIdentity>? Renewed { get; set; }

    /// <summary>Told, at each handshake, when the files cannot be used and an earlier identity goes on.</summary>
    public Action<string>? NotTaken { get; set; }

    /// <summary>The identity for a handshake; null when the files have never been usable.</summary>
    /// <param name="problem">Called for each file that cannot be used, with the option's name and a sentence.</param>
    public NodeIdentity? Read(Action<string, string>? problem = null)
    {
        var problems = new List<(string Option, string Message)>();
        lock (_lock)
        {
            var files = TlsFiles.Read(_options, (option, message) => problems.Add((option, message)));
            if (files is not null && files != _files
                && files.ToIdentity(_options, (option, message) => problems.Add((option, message))) is { } renewed)
            {
                var isFirst = _identity is null;
                (_files, _identity) = (files, renewed);
                if (!isFirst)
                {
                    Renewed?.Invoke(renewed);
                }
            }

            if (problems.Count > 0 && _identity is not null)
            {
                NotTaken?.Invoke($"{problems[0].Option}: {problems[0].Message}");
            }

            problems.ForEach(one => problem?.Invoke(one.Option, one.Message));
            return _identity;
        }
    }
}
