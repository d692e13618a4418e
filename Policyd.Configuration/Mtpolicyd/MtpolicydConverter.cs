using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Mtpolicyd;

/// <summary>Turns an mtpolicyd.conf into HOCON text, comments kept.</summary>
public static class MtpolicydConverter
{
    /// <summary>The text of a document that was read from an mtpolicyd.conf.</summary>
    /// <param name="document">The document; its diagnostics are not looked at.</param>
    public static string ToHocon(ConfigDocument document) => HoconWriter.Write(document.Root);
}
