using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Policyd.Engine.Clustering;

/// <summary>
/// The texts of the three files, and the identity that they make. They are compared as texts and not by their times: a renewal may keep the
/// time, and a file may be a link through folders that change.
/// </summary>
internal sealed record TlsFiles(string Certificate, string Key, string Authorities)
{
    /// <summary>Reads the files.</summary>
    /// <param name="options">Where they are.</param>
    /// <param name="problem">Called for each file that cannot be read, with the option's name and a sentence.</param>
    public static TlsFiles? Read(ClusterTlsOptions options, Action<string, string> problem)
    {
        var certificate = Text("certificate", options.Certificate, problem);
        var key = Text("key", options.Key, problem);
        var authorities = Text("ca_file", options.CaFile, problem);
        return certificate is null || key is null || authorities is null ? null : new TlsFiles(certificate, key, authorities);
    }

    /// <summary>What they make together.</summary>
    /// <param name="options">Where they are from, for messages.</param>
    /// <param name="problem">Called for each one that is not what it should be.</param>
    public NodeIdentity? ToIdentity(ClusterTlsOptions options, Action<string, string> problem)
    {
        var authorities = Certificates("ca_file", options.CaFile, Authorities, problem);
        var chain = Certificates("certificate", options.Certificate, Certificate, problem);
        if (!Key.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
        {
            problem("key", $"{options.Key} holds no private key in PEM format");
        }
        else if (Key.Contains("ENCRYPTED", StringComparison.Ordinal))
        {
            problem("key", $"the key in {options.Key} has a password; store it without one, in a file that only the server can read");
        }
        else if (chain is not null && WithKey(options, problem) is { } own && authorities is not null)
        {
            chain.RemoveAt(0);
            return new NodeIdentity(own, chain, authorities, options.Names);
        }

        return null;
    }

    private static string? Text(string option, string path, Action<string, string> problem)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            problem(option, $"there is no file {path}");
        }
        catch (UnauthorizedAccessException)
        {
            problem(option, Directory.Exists(path) ? $"{path} is a folder" : $"the user {Environment.UserName} cannot read {path}");
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            problem(option, $"{path} cannot be read: {e.Message}");
        }

        return null;
    }

    private static X509Certificate2Collection? Certificates(string option, string path, string text, Action<string, string> problem)
    {
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

    private X509Certificate2? WithKey(ClusterTlsOptions options, Action<string, string> problem)
    {
        try
        {
            return X509Certificate2.CreateFromPem(Certificate, Key);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            problem("key", $"the key in {options.Key} does not belong to the first certificate in {options.Certificate}");
            return null;
        }
    }
}
