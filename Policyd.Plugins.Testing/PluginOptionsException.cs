namespace Policyd.Plugins.Testing;

/// <summary>The options do not fit, or the plugin has reported errors while it was initialized: what an operator would read.</summary>
public sealed class PluginOptionsException : Exception
{
    /// <summary>Nothing is known.</summary>
    public PluginOptionsException()
    {
    }

    /// <summary>The errors.</summary>
    /// <param name="message">A line each.</param>
    public PluginOptionsException(string message)
        : base(message)
    {
    }

    /// <summary>The errors, and what caused them.</summary>
    /// <param name="message">A line each.</param>
    /// <param name="innerException">The cause.</param>
    public PluginOptionsException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
