using Policyd.Engine.Model;
using Policyd.Server.Tls;
using Policyd.Tests.Support;

namespace Policyd.Tests.Http;

/// <summary>A certificate that is renewed while the server runs.</summary>
public sealed class HttpCertificateSpecs : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority = new();
    private readonly ManualClock _clock = new();
    private readonly LogCapture _log = new();

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Renewed_files_are_taken_also_when_they_keep_their_times()
    {
        var options = Options();
        var first = Renew(options);
        var certificate = Certificate(options);
        var renewed = Renew(options);
        Assert.Equal(first, Current(certificate));
        _clock.Advance(HttpCertificate.BetweenLooks);
        Assert.Equal(renewed, Current(certificate));
        Assert.Single(_log.Containing("the renewed certificate in"));
    }

    [Fact]
    public void Files_behind_a_link_to_a_folder_are_taken_when_the_link_is_another()
    {
        var (old, next) = (Options("old/"), Options("next/"));
        var first = Renew(old);
        var renewed = Renew(next);
        Directory.CreateSymbolicLink(_folder["live"], _folder["old"]);
        var certificate = Certificate(Options("live/"));
        Assert.Equal(first, Current(certificate));
        Directory.Delete(_folder["live"]);
        Directory.CreateSymbolicLink(_folder["live"], _folder["next"]);
        _clock.Advance(HttpCertificate.BetweenLooks);
        Assert.Equal(renewed, Current(certificate));
    }

    [Fact]
    public void Files_that_do_not_fit_each_other_leave_the_former_certificate_in_use()
    {
        var options = Options();
        var first = Renew(options);
        var certificate = Certificate(options);
        var (renewed, key) = _authority.Issue(["mx.example.org"]);
        File.WriteAllText(options.Certificate, renewed);
        _clock.Advance(HttpCertificate.BetweenLooks);
        Assert.Equal(first, Current(certificate));
        Assert.Single(_log.Containing("does not belong to the first certificate in"));
        File.WriteAllText(options.Key, key);
        _clock.Advance(HttpCertificate.BetweenLooks);
        Assert.Equal(renewed, Current(certificate));
    }

    [Theory]
    [InlineData("", "", "certificate", "holds no certificate in PEM format")]
    [InlineData("its own", "", "key", "holds no private key in PEM format")]
    [InlineData("its own", "another's", "key", "does not belong to the first certificate in")]
    [InlineData("its own", null, "key", "there is no file")]
    [InlineData(null, "its own", "certificate", "there is no file")]
    public void What_is_wrong_with_the_files_is_told_with_its_option(string? certificate, string? key, string option, string expected)
    {
        var options = Options();
        var own = _authority.Issue(["mx.example.org"]);
        var other = _authority.Issue(["mx.example.org"]);
        Write(options.Certificate, certificate == "its own" ? own.Certificate : certificate);
        Write(options.Key, key switch { "its own" => own.Key, "another's" => other.Key, _ => key });
        var problem = HttpCertificate.Check(options);
        Assert.Equal(option, problem?.Option);
        Assert.Contains(expected, problem?.Message, StringComparison.Ordinal);
    }

    private static void Write(string path, string? text)
    {
        if (text is not null)
        {
            File.WriteAllText(path, text);
        }
    }

    private static string? Current(HttpCertificate certificate) =>
        certificate.Current.ServerCertificateContext?.TargetCertificate.ExportCertificatePem();

    private HttpCertificate Certificate(HttpTlsOptions options) => new(options, _clock, _log.CreateLogger("http"));

    private HttpTlsOptions Options(string folder = "") =>
        new() { Certificate = _folder[folder + "http.crt"], Key = _folder[folder + "http.key"] };

    /// <summary>Writes another certificate and key, with the times of the former ones.</summary>
    private string Renew(HttpTlsOptions options)
    {
        var (certificate, key) = _authority.Issue(["mx.example.org"]);
        Directory.CreateDirectory(Path.GetDirectoryName(options.Certificate)!);
        File.WriteAllText(options.Certificate, certificate);
        File.WriteAllText(options.Key, key);
        var time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(options.Certificate, time);
        File.SetLastWriteTimeUtc(options.Key, time);
        return certificate;
    }
}
