using System.Globalization;

namespace Policyd.Server.Commands;

/// <summary>Values as people read them, the same in all verbs and in every locale.</summary>
internal static class Shown
{
    public static string Time(DateTimeOffset time) => time.ToString("yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture);

    public static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
