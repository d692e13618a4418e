using System.Runtime.InteropServices;

namespace Policyd.Server.Hosting;

/// <summary>
/// What the process writes for people: its standard output, or its standard error. .NET says of a descriptor that is closed that access is
/// denied, which here would read as a missing right for a file. And when nothing can be said on the standard error any more, saying so
/// would only replace the exit code by a crash.
/// </summary>
/// <param name="inner">The stream of the console.</param>
/// <param name="isLastResort">Whether a failure is left alone: there is no other place to tell it.</param>
internal sealed partial class StandardStream(Stream inner, bool isLastResort) : Stream
{
    private const short Error = 8;
    private const short HungUp = 16;

    /// <summary>
    /// Whether nobody reads the standard output any more, as after <c>| head -1</c>. A write does not tell: .NET is silent about a pipe
    /// without a reader.
    /// </summary>
    public static bool OutputHasNoReader => HasNoReader(1);

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            inner.Write(buffer);
        }
        catch (UnauthorizedAccessException failure) when (!isLastResort)
        {
            throw new IOException("the standard output is closed", failure);
        }
        catch (Exception failure) when (isLastResort && failure is IOException or UnauthorizedAccessException)
        {
            // The exit code is what is left to tell.
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    // The console's own does the same on another thread.
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Whether what is written to a descriptor goes nowhere, since its pipe, connection or terminal is closed.</summary>
    /// <param name="descriptor">The descriptor.</param>
    internal static bool HasNoReader(int descriptor)
    {
        var asked = new Asked { Descriptor = descriptor };
        return OperatingSystem.IsLinux() && Poll(ref asked, 1, 0) > 0 && (asked.Found & (Error | HungUp)) != 0;
    }

    public override void Flush() => inner.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref Asked asked, nuint count, int milliseconds);

    // struct pollfd.
    [StructLayout(LayoutKind.Sequential)]
    private struct Asked
    {
        public int Descriptor;
        public short Wanted;
        public short Found;
    }
}
