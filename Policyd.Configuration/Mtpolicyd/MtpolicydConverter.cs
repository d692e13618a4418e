using Policyd.Configuration.Hocon;
using Policyd.Configuration.Tree;

namespace Policyd.Configuration.Mtpolicyd;

/// <summary>Turns an mtpolicyd.conf into HOCON text, comments kept.</summary>
public static class MtpolicydConverter
{
    private const string ClassesOption = "restriction_classes";

    /// <summary>The text of a document that was read from an mtpolicyd.conf.</summary>
    /// <param name="document">The document; its diagnostics are not looked at.</param>
    public static string ToHocon(ConfigDocument document) => HoconWriter.Write(document.Root);

    /// <summary>
    /// The same with some more restriction classes: a word that is no action of Postfix is taken for one in an mtpolicyd.conf, and HOCON
    /// wants it declared.
    /// </summary>
    /// <param name="document">The document; its diagnostics are not looked at.</param>
    /// <param name="restrictionClasses">The classes to add to <c>restriction_classes</c>.</param>
    public static string ToHocon(ConfigDocument document, IReadOnlyCollection<string> restrictionClasses)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(restrictionClasses);
        if (restrictionClasses.Count == 0 || document.Root["policyd"] is not ConfigObject server)
        {
            return ToHocon(document);
        }

        var earlier = server[ClassesOption];
        var place = server.PositionOf(ClassesOption);
        var names = (earlier switch
        {
            ConfigArray array => array.Items.OfType<ConfigScalar>().Select(one => one.Text),
            ConfigScalar { IsNull: false } one =>
                one.Text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
            _ => [],
        }).Concat(restrictionClasses).Distinct(StringComparer.OrdinalIgnoreCase);
        var all = new ConfigMember(
            ClassesOption,
            place,
            new ConfigArray(
                [.. names.Select(name => new ConfigScalar(name, ScalarKind.String, place))],
                place,
                earlier?.Comments,
                earlier?.InlineComment));
        var extended = new ConfigObject(
            server.Members.Append(all), server.Position, server.Comments, server.InlineComment, server.ClosingComments);
        var root = document.Root;
        return HoconWriter.Write(new ConfigObject(
            root.Members.Select(member => ReferenceEquals(member.Value, server) ? member with { Value = extended } : member),
            root.Position,
            root.Comments,
            root.InlineComment,
            root.ClosingComments));
    }
}
