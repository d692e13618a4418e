using System.Runtime.InteropServices;

namespace Policyd.Server.Descriptors;

/// <summary>
/// The descriptors 0, 1 and 2 of the process. One that the caller has closed (<c>&lt;&amp;-</c>) is free, so that the runtime takes it for
/// something of its own: a read would wait for ever, and a write would go there.
/// </summary>
internal static partial class StandardDescriptor
{
    private const int GetFlags = 1;
    private const int CloseOnExec = 1;

    public static Stream Input() => WasClosed(0) ? new ClosedStream("the standard input is closed") : Console.OpenStandardInput();

    public static Stream Output() => WasClosed(1) ? new ClosedStream("the standard output is closed") : Console.OpenStandardOutput();

    public static Stream Error() => WasClosed(2) ? new ClosedStream("the standard error is closed") : Console.OpenStandardError();

    // What was passed to the process has outlived an exec. The runtime opens everything so that it does not.
    private static bool WasClosed(int descriptor) =>
        OperatingSystem.IsLinux() && Control(descriptor, GetFlags, 0) is var flags && (flags < 0 || (flags & CloseOnExec) != 0);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, int argument);

    private sealed class ClosedStream(string message) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new IOException(message);

        public override void Write(byte[] buffer, int offset, int count) => throw new IOException(message);

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
