using System.Net.Sockets;
using System.Runtime.InteropServices;
using Akka.Streams;
using Akka.Streams.Stage;

namespace Policyd.Actors.Connections;

/// <summary>
/// A connected socket, TCP or UNIX, as a flow: what comes in is written, what is read comes out. Akka has no UNIX-socket
/// stage, and its TCP stage is an actor of its own beside the stream's; here the socket's completion goes straight to the
/// stream. One read and one write at a time. The emitted memory is the stage's own buffer: use it before pulling again.
/// </summary>
internal sealed class SocketStage(Socket socket, Action closed) : GraphStage<FlowShape<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>>
{
    /// <summary>Bytes: holds two usual requests of Postfix, and ten thousand idle connections hold 20 MB.</summary>
    public const int ReceiveBufferBytes = 2048;

    private readonly Inlet<ReadOnlyMemory<byte>> _in = new("Socket.in");
    private readonly Outlet<ReadOnlyMemory<byte>> _out = new("Socket.out");

    public override FlowShape<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> Shape => new(_in, _out);

    protected override GraphStageLogic CreateLogic(Attributes inheritedAttributes) => new Logic(this, socket, closed);

    private sealed class Logic : InAndOutGraphStageLogic, IDisposable
    {
        private readonly SocketStage _stage;
        private readonly Socket _socket;
        private readonly Action _closed;
        private readonly SocketAsyncEventArgs _reading = new();
        private readonly byte[] _buffer = new byte[ReceiveBufferBytes];
        private readonly Action<SocketAsyncEventArgs> _readDone;
        private readonly Action<SocketAsyncEventArgs> _writeDone;
        private SocketAsyncEventArgs? _writing;   // made at the first answer: an idle connection has none
        private bool _isWriting;

        public Logic(SocketStage stage, Socket socket, Action closed)
            : base(stage.Shape)
        {
            (_stage, _socket, _closed) = (stage, socket, closed);
            _readDone = GetAsyncCallback<SocketAsyncEventArgs>(_ => OnRead());
            _writeDone = GetAsyncCallback<SocketAsyncEventArgs>(_ => OnWritten());
            _reading.SetBuffer(_buffer);
            _reading.Completed += (_, args) => _readDone(args);
            SetHandler(stage._in, this);
            SetHandler(stage._out, this);
        }

        public override void PreStart() => Pull(_stage._in);

        public override void PostStop() => Dispose();

        public void Dispose()
        {
            // Disposing a socket with a read under way completes that read; its callback meets a stage that is gone.
            _socket.Dispose();
            _reading.Dispose();
            _writing?.Dispose();
            _closed();
        }

        public override void OnPull()
        {
            if (!_socket.ReceiveAsync(_reading))
            {
                OnRead();
            }
        }

        public override void OnPush()
        {
            var bytes = Grab(_stage._in);
            if (_writing is null)
            {
                _writing = new SocketAsyncEventArgs();
                _writing.Completed += (_, args) => _writeDone(args);
            }

            _writing.SetBuffer(MemoryMarshal.AsMemory(bytes));
            _isWriting = true;
            Write();
        }

        // The reading side may end before the writing side does: a client that half-closes still gets its answer.
        public override void OnDownstreamFinish(Exception cause)
        {
        }

        public override void OnUpstreamFinish()
        {
            if (!_isWriting)
            {
                Close();
            }
        }

        private void Write()
        {
            if (!_socket.SendAsync(_writing!))
            {
                OnWritten();
            }
        }

        private void OnRead()
        {
            if (IsClosed(_stage._out))
            {
                return;
            }

            if (_reading.SocketError == SocketError.Success && _reading.BytesTransferred > 0)
            {
                Push(_stage._out, _buffer.AsMemory(0, _reading.BytesTransferred));
            }
            else if (_reading.SocketError == SocketError.Success)
            {
                Complete(_stage._out);
            }
            else
            {
                CompleteStage();   // reset by the peer: nobody is left to answer, and it is no news to anyone
            }
        }

        private void OnWritten()
        {
            if (_writing!.SocketError != SocketError.Success)
            {
                CompleteStage();
                return;
            }

            if (_writing.BytesTransferred < _writing.Count)
            {
                _writing.SetBuffer(_writing.Offset + _writing.BytesTransferred, _writing.Count - _writing.BytesTransferred);
                Write();
                return;
            }

            _isWriting = false;
            if (IsClosed(_stage._in))
            {
                Close();
            }
            else
            {
                Pull(_stage._in);
            }
        }

        private void Close()
        {
            try
            {
                _socket.Shutdown(SocketShutdown.Send);
                // Closing a socket with unread bytes in it resets the connection, and the peer may lose the answer.
                for (var i = 0; i < 64 && _socket.Available > 0; i++)
                {
                    _socket.Receive(_buffer);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The peer was faster.
            }

            CompleteStage();
        }
    }
}
