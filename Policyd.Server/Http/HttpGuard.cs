using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Policyd.Engine.Model;

namespace Policyd.Server.Http;

/// <summary>
/// Who may ask. Only reading methods are answered. The name in <c>Host</c> must be one of ours: otherwise a page in an operator's browser
/// could read the answers under a name that its author has pointed here (DNS rebinding). Health may be asked under any name and without the
/// token, since a load balancer asks by address; it tells nothing but that.
/// </summary>
internal sealed class HttpGuard(HttpOptions options)
{
    public const string Alive = "/livez";
    public const string Ready = "/readyz";

    private const string Scheme = "Bearer ";

    private readonly HashSet<string> _hosts = options.AllowedHosts.ToHashSet(StringComparer.OrdinalIgnoreCase);
    private readonly byte[]? _token = options.Token is { } token ? Hash(token) : null;

    /// <summary>Why a request is refused; null when it is not.</summary>
    /// <param name="request">The request.</param>
    public int? Refusal(HttpRequest request)
    {
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            return StatusCodes.Status405MethodNotAllowed;
        }

        return request.Path.Value is Alive or Ready ? null
            : !_hosts.Contains(request.Host.Host) ? StatusCodes.Status421MisdirectedRequest
            : _token is not null && !HasToken(request) ? StatusCodes.Status401Unauthorized
            : null;
    }

    // Hashes are compared, and in full: neither the length nor the time tells anything of the token.
    private bool HasToken(HttpRequest request) =>
        request.Headers.Authorization is [{ } given] && given.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(Hash(given[Scheme.Length..].Trim()), _token);

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
