using System.Text.Json.Serialization;
using Policyd.Bench.Databases;

namespace Policyd.Bench.Postfix;

/// <summary>What is sent through Postfix, and where the servers that it asks count.</summary>
public sealed record PostfixOptions
{
    [JsonIgnore]
    public DatabaseKind Database { get; init; }

    /// <summary>Mails of one run.</summary>
    public int Mails { get; init; } = 6000;

    /// <summary>SMTP sessions at a time, each with mail after mail.</summary>
    public int Sessions { get; init; } = 60;

    /// <summary>Recipients of each mail.</summary>
    public int Recipients { get; init; } = 3;

    /// <summary>Different senders, each with its share of the sessions.</summary>
    public int Senders { get; init; } = 20;

    /// <summary>Also an mtpolicyd that is installed.</summary>
    public bool WithMtpolicyd { get; init; }

    /// <summary>Each recipient is asked for, and the end of the message.</summary>
    public long Requests => (long)Mails * (Recipients + 1);
}
