using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Policyd.Configuration.Sources;

namespace Policyd.Engine.Certificates;

/// <summary>
/// The texts of a certificate's file and of its key's file, and what they make. They are compared as texts and not by their times: a
/// renewal may keep the time, and a file may be a link through folders that change.
/// </summary>
/// <param name="Certificate">The certificate, and behind it those of intermediate authorities.</param>
/// <param name="Key">Its private key.</param>
public sealed record CertificateFiles(string Certificate, string Key)
{
    /// <summary>Reads the files.</summary>
    /// <param name="certificate">The path of the one.</param>
    /// <param name="key">The path of the other.</param>
    /// <param name="problem">Called for each file that cannot be read, with the option's name and a sentence.</param>
    public static CertificateFiles? Read(string certificate, string key, Action<string, string> problem)
    {
        var (certificateText, keyText) = (Text("certificate", certificate, problem), Text("key", key, problem));
        return certificateText is null || keyText is null ? null : new CertificateFiles(certificateText, keyText);
    }

    /// <summary>The certificate with its key, and those of the intermediate authorities.</summary>
    /// <param name="certificate">The path of the one, for messages.</param>
    /// <param name="key">The path of the other.</param>
    /// <param name="problem">Called for each one that is not what it should be.</param>
    public (X509Certificate2 Own, X509Certificate2Collection Intermediate)? Load(
        string certificate, string key, Action<string, string> problem)
    {
        var chain = Certificates("certificate", certificate, Certificate, problem);
        if (!Key.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
        {
            problem("key", $"{key} holds no private key in PEM format");
        }
        else if (Key.Contains("ENCRYPTED", StringComparison.Ordinal))
        {
            problem("key", $"the key in {key} has a password; store it without one, in a file that only the server can read");
        }
        else if (chain is not null)
        {
            try
            {
                var own = X509Certificate2.CreateFromPem(Certificate, Key);
                chain.RemoveAt(0);
                return (own, chain);
            }
            catch (Exception e) when (e is CryptographicException or ArgumentException)
            {
                problem("key", $"the key in {key} does not belong to the first certificate in {certificate}");
            }
        }

        return null;
    }

    /// <summary>Reads a file.</summary>
    /// <param name="option">The option that names it.</param>
    /// <param name="path">Where it is.</param>
    /// <param name="problem">Called when it cannot be read.</param>
    public static string? Text(string option, string path, Action<string, string> problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        try
        {
            RegularFile.Demand(path);
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            problem(option, $"there is no file {path}");
        }
        catch (UnauthorizedAccessException)
        {
            problem(option, $"the user {Environment.UserName} cannot read {path}");
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            problem(option, $"{path} cannot be read: {e.Message}");
        }

        return null;
    }

    /// <summary>The certificates in a text.</summary>
    /// <param name="option">The option that names its file.</param>
    /// <param name="path">Where that is.</param>
    /// <param name="text">The text.</param>
    /// <param name="problem">Called when there is none.</param>
    public static X509Certificate2Collection? Certificates(string option, string path, string text, Action<string, string> problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        var all = new X509Certificate2Collection();
        try
        {
            all.ImportFromPem(text);
        }
        catch (CryptographicException)
        {
            all.Clear();
        }

        if (all.Count == 0)
        {
            problem(option, $"{path} holds no certificate in PEM format, or one that is damaged");
            return null;
        }

        return all;
    }
}
