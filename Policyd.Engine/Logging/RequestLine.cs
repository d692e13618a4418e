using System.Buffers;
using System.Text;
using Policyd.Plugins.Logging;
using Policyd.Protocol;

namespace Policyd.Engine.Logging;

/// <summary>What the lines about a request have in common: how they begin, and which attributes they show in which order.</summary>
internal static class RequestLine
{
    /// <summary>The attributes of the text line, in its order, behind the instance.</summary>
    private static readonly (PolicyAttribute Attribute, byte[] Name)[] s_shown =
    [
        Named(PolicyAttribute.ProtocolState), Named(PolicyAttribute.QueueId), Named(PolicyAttribute.ClientAddress), Named(
            PolicyAttribute.ClientName),
        Named(PolicyAttribute.HeloName), Named(PolicyAttribute.Sender), Named(PolicyAttribute.Recipient), Named(
            PolicyAttribute.SaslUsername),
        Named(PolicyAttribute.Size), Named(PolicyAttribute.RecipientCount),
    ];

    public static void Shown(ArrayBufferWriter<byte> line, PolicyRequest request)
    {
        foreach (var (attribute, name) in s_shown)
        {
            var value = request.Utf8(attribute);
            if (IsShown(request, attribute, value))
            {
                LineFields.Field(line, name, value);
            }
        }
    }

    /// <summary>The members that every event about a request begins with.</summary>
    public static void Begin(JsonMembers members, string? virtualHost, PolicyRequest request)
    {
        members.Text("virtual_host"u8, virtualHost);
        if (request.Utf8(PolicyAttribute.Instance) is { IsEmpty: false } instance)
        {
            members.Text("instance"u8, instance, LogValue.MaxBytes);
        }
    }

    /// <summary>
    /// The member <c>request</c>: every attribute as it came. Bytes that are no UTF-8 cannot stand in JSON: then <c>request_base64</c> has
    /// the request's bytes beside it. Where the whole has no room, <c>request</c> has the shown attributes, and <c>request_cut</c> says so.
    /// </summary>
    public static void Attributes(JsonMembers members, PolicyRequest request)
    {
        members.Begin("request"u8);
        if (members.Whole)
        {
            var attributes = request.Utf8Attributes;
            while (attributes.MoveNext())
            {
                members.Text(attributes.Name, attributes.Value);
            }
        }
        else
        {
            foreach (var (attribute, name) in s_shown)
            {
                if (request.Has(attribute))
                {
                    members.Text(name, request.Utf8(attribute), LogValue.MaxBytes);
                }
            }
        }

        members.End();
        if (!members.Whole)
        {
            members.Raw("request_cut"u8, "true"u8);
        }
        else if (!System.Text.Unicode.Utf8.IsValid(request.Bytes.Span))
        {
            members.Base64("request_base64"u8, request.Bytes.Span);
        }
    }

    // An empty sender is that of a bounce, which one looks for. Postfix sends 0 where it does not know the number yet.
    private static bool IsShown(PolicyRequest request, PolicyAttribute attribute, ReadOnlySpan<byte> value) => attribute switch
    {
        PolicyAttribute.Sender => !value.IsEmpty || (request.Has(attribute) && !IsBeforeMail(request.Utf8(PolicyAttribute.ProtocolState))),
        PolicyAttribute.Size or PolicyAttribute.RecipientCount => !value.IsEmpty && !value.SequenceEqual("0"u8),
        _ => !value.IsEmpty,
    };

    private static bool IsBeforeMail(ReadOnlySpan<byte> state) =>
        state.IsEmpty || state.SequenceEqual("CONNECT"u8) || state.SequenceEqual("HELO"u8) || state.SequenceEqual("EHLO"u8);

    private static (PolicyAttribute Attribute, byte[] Name) Named(PolicyAttribute attribute) =>
        (attribute, Encoding.ASCII.GetBytes(PolicyAttributes.NameOf(attribute)));
}
