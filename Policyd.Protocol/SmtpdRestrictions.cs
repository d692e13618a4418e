using System.Collections.Frozen;

namespace Policyd.Protocol;

/// <summary>
/// The names of Postfix's own smtpd restrictions (postconf(5)), which an action may name instead of a verdict. Those that
/// take an argument say so, since the word behind them is not a restriction then.
/// </summary>
internal static class SmtpdRestrictions
{
    private static readonly string[] s_withArgument =
    [
        "check_ccert_access", "check_client_a_access", "check_client_access", "check_client_mx_access", "check_client_ns_access",
        "check_etrn_access", "check_helo_a_access", "check_helo_access", "check_helo_mx_access", "check_helo_ns_access",
        "check_policy_service", "check_recipient_a_access", "check_recipient_access", "check_recipient_mx_access",
        "check_recipient_ns_access", "check_reverse_client_hostname_a_access", "check_reverse_client_hostname_access",
        "check_reverse_client_hostname_mx_access", "check_reverse_client_hostname_ns_access", "check_sasl_access",
        "check_sender_a_access", "check_sender_access", "check_sender_mx_access", "check_sender_ns_access",
        "permit_dnswl_client", "permit_rhswl_client", "reject_rbl_client", "reject_rhsbl_client", "reject_rhsbl_helo",
        "reject_rhsbl_recipient", "reject_rhsbl_reverse_client", "reject_rhsbl_sender", "sleep",
    ];

    private static readonly string[] s_alone =
    [
        "defer", "defer_if_permit", "defer_if_reject", "defer_unauth_destination", "permit", "permit_auth_destination",
        "permit_inet_interfaces", "permit_mx_backup", "permit_mynetworks", "permit_naked_ip_address",
        "permit_sasl_authenticated", "permit_tls_all_clientcerts", "permit_tls_clientcerts", "reject",
        "reject_authenticated_sender_login_mismatch", "reject_invalid_helo_hostname", "reject_invalid_hostname",
        "reject_known_sender_login_mismatch", "reject_multi_recipient_bounce", "reject_non_fqdn_helo_hostname",
        "reject_non_fqdn_hostname", "reject_non_fqdn_recipient", "reject_non_fqdn_sender", "reject_plaintext_session",
        "reject_sender_login_mismatch", "reject_unauth_destination", "reject_unauth_pipelining",
        "reject_unauthenticated_sender_login_mismatch", "reject_unknown_address", "reject_unknown_client",
        "reject_unknown_client_hostname", "reject_unknown_forward_client_hostname", "reject_unknown_helo_hostname",
        "reject_unknown_hostname", "reject_unknown_recipient_domain", "reject_unknown_reverse_client_hostname",
        "reject_unknown_sender_domain", "reject_unlisted_recipient", "reject_unlisted_sender", "reject_unverified_recipient",
        "reject_unverified_sender", "warn_if_reject",
    ];

    public static FrozenSet<string> TakingArgument { get; } = s_withArgument.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    public static FrozenSet<string> All { get; } = s_withArgument.Concat(s_alone).ToFrozenSet(StringComparer.OrdinalIgnoreCase);
}
