namespace Policyd.Tests.Differential;

/// <summary>Parts of mtpolicyd.conf that several of these chains have.</summary>
internal static class DifferentialPlugins
{
    /// <summary>Last in a chain: its answer shows the score and all that has scored.</summary>
    public const string Tag = """
        <Plugin tag>
          module = "AddScoreHeader"
        </Plugin>
        """;

    /// <summary>First in a chain: user <c>lenient</c> has set <c>user_off</c> to off and <c>user_mode</c> to passive.</summary>
    public static string LenientUser(string attribute, string address) => $"""
        <Plugin user>
          module = "Condition"
          key = "{attribute}"
          match = "{address}"
          <Plugin set-off>
            module = "SetField"
            key = "user_off"
            value = "off"
          </Plugin>
          <Plugin set-mode>
            module = "SetField"
            key = "user_mode"
            value = "passive"
          </Plugin>
        </Plugin>
        """;
}
