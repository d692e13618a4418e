namespace Policyd.Tests.Support;

/// <summary>
/// A real fail2ban in a folder of its own, with jails that read no log and act on nothing: what is banned, only it knows.
/// </summary>
internal sealed class Fail2BanServer : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ProcessUnderTest _process;

    private Fail2BanServer(string program, string[] jails)
    {
        _folder.Write("log", "");
        _folder.Write(
            "etc/fail2ban.conf",
            $"[Definition]\nloglevel = INFO\nlogtarget = STDOUT\nsyslogsocket = auto\nsocket = {Socket}\npidfile = "
                + $"{_folder["f.pid"]}\ndbfile = None\ndbpurgeage = 1d\n");
        _folder.Write("etc/jail.conf", string.Concat(jails.Select(
            jail => $"[{jail}]\nenabled = true\nfilter = none\nbackend = polling\nlogpath = {_folder["log"]}\nbantime = 600\naction =\n")));
        _folder.Write("etc/filter.d/none.conf", "[Definition]\nfailregex = ^never <HOST>$\n");
        _process = ProcessUnderTest.Start(program, ["-f", "-c", _folder["etc"], "-s", Socket, "-p", _folder["f.pid"], "start"]);
    }

    public string Socket => _folder["f.sock"];

    public static async Task<Fail2BanServer> StartNew(params string[] jails)
    {
        var program = Needs.Program("fail2ban-server");
        Needs.Root();
        var server = new Fail2BanServer(program, jails);
        foreach (var jail in jails)
        {
            await server._process.Prints($"Jail '{jail}' started");
        }

        return server;
    }

    /// <summary>The addresses that are banned, in order.</summary>
    public async Task<string[]> BannedAsync(string jail)
    {
        var (code, text) = await ProcessUnderTest.Run(
            Needs.Program("fail2ban-client"), "-c", _folder["etc"], "-s", Socket, "get", jail, "banip");
        Assert.True(code == 0, text);
        return [.. text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
    }

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _folder.Dispose();
    }
}
