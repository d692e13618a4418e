namespace Policyd.Plugins.Counters;

/// <summary>
/// A mail, as counters know it: 128 bits of hash of the request's <c>instance</c>, which Postfix makes for each mail. A reservation is
/// held under it, and it is the key of the hash that makes a <see cref="CounterRequestId"/>. It is made once a request.
/// It is the same on every node and outlives a process in the database, so it depends on nothing but the instance.
/// </summary>
/// <param name="Value">The hash; zero where the request has no instance.</param>
public readonly record struct MailId(UInt128 Value)
{
    /// <summary>No mail: of an empty instance. Nothing is reserved for it, and it is always counted.</summary>
    public static MailId None => default;

    /// <summary>Whether the request named no mail.</summary>
    public bool IsNone => Value == UInt128.Zero;

    /// <summary>The mail of an instance.</summary>
    /// <param name="instance">The request's <c>instance</c>; may be empty.</param>
    public static MailId Of(string instance)
    {
        ArgumentNullException.ThrowIfNull(instance);
        if (instance.Length == 0)
        {
            return None;
        }

        // The key may be known: Postfix chooses the instances, no sender does.
        var hash = new SipHash128(UInt128.Zero, stackalloc byte[SipHash128.BufferSize]);
        hash.Append(instance);
        return new MailId(hash.Finish());
    }

    /// <summary>A part of the hash: it is as evenly spread as any hash of it.</summary>
    public override int GetHashCode() => (int)(uint)Value;
}
