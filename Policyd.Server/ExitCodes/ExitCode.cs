namespace Policyd.Server.ExitCodes;

/// <summary>What the process ends with: the codes of sysexits.h, which Postfix's own tools use.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Usage = 64;
    public const int DataError = 65;
    public const int NoInput = 66;
    public const int Unavailable = 69;
    public const int Software = 70;
    public const int OsError = 71;
    public const int CannotCreate = 73;
    public const int IoError = 74;
    public const int TemporaryFailure = 75;
    public const int Protocol = 76;
    public const int NoPermission = 77;
    public const int Config = 78;
}

/// <summary>A reason to end with a code and one line on stderr: what went wrong for the operator, not a defect of the program.</summary>
internal sealed class CommandException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
