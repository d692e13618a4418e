namespace Policyd.Tests.Support;

/// <summary>A real database server of either kind, for tests that are the same on both.</summary>
internal interface IDatabaseServer : IAsyncDisposable
{
    /// <summary>Who may do everything in it, with the password <c>secret</c>.</summary>
    string User { get; }

    /// <summary>A fresh, empty database; its DSN in Perl's form.</summary>
    Task<string> NewDatabase();

    Task Start();

    Task Stop();
}
