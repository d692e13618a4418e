namespace Policyd.Plugins.Memcached;

/// <summary>A memcached server is away, or does not answer as memcached does. The connection has logged it.</summary>
internal sealed class MemcachedException(string message, Exception? inner = null) : Exception(message, inner);
