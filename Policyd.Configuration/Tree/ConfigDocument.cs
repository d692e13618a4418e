namespace Policyd.Configuration.Tree;

/// <summary>The language that a configuration was written in.</summary>
public enum ConfigFormat
{
    /// <summary>HOCON, of which JSON is a part.</summary>
    Hocon,

    /// <summary>The Apache-like language of mtpolicyd.conf.</summary>
    Mtpolicyd,
}

/// <summary>A configuration file as it was read: a tree even when there are errors, with what could be understood.</summary>
/// <param name="Root">The tree; both languages give the same one, with <c>policyd</c> at its top.</param>
/// <param name="Format">The language it was written in.</param>
/// <param name="Diagnostics">What is wrong; later steps (binding, building the server model) add to it.</param>
public sealed record ConfigDocument(ConfigObject Root, ConfigFormat Format, DiagnosticBag Diagnostics);
