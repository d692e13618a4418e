using System.Net.Sockets;
using Akka.Streams;
using Akka.Streams.Stage;
using Policyd.Actors.Polling;

namespace Policyd.Actors.Connections;

/// <summary>
/// A connected socket, TCP or UNIX, as a flow: what comes in is written, what is read comes out. Akka has no UNIX-socket
/// stage, and its TCP stage is an actor of its own beside the stream's; here what the socket has goes straight to the
/// stream. One read and one write at a time. The emitted bytes are the stage's own buffer: use them before pulling again.
/// </summary>
internal sealed class SocketStage(Socket socket, SocketPoll poll, Action closed)
    : GraphStage<FlowShape<byte[], ReceivedBytes>>
{
    /// <summary>Bytes: holds two usual requests of Postfix, and ten thousand idle connections hold 20 MB.</summary>
    public const int ReceiveBufferBytes = 2048;

    private readonly Inlet<byte[]> _in = new("Socket.in");
    private readonly Outlet<ReceivedBytes> _out = new("Socket.out");

    public override FlowShape<byte[], ReceivedBytes> Shape => new(_in, _out);

    protected override GraphStageLogic CreateLogic(Attributes inheritedAttributes) => new Logic(this, socket, poll, closed);

    private sealed class Logic : InAndOutGraphStageLogic, IReadable, IDisposable
    {
        // What is known of the socket: nothing to read; the same, and the stream wants to; there may be something.
        private const int Empty = 0;
        private const int Wanted = 1;
        private const int Readable = 2;

        private readonly SocketStage _stage;
        private readonly Socket _socket;
        private readonly SocketPoll _poll;
        private readonly Action _closed;
        private readonly ReceivedBytes _received = new(new byte[ReceiveBufferBytes]);
        private Action<Logic>? _readable;
        private SocketAsyncEventArgs? _writing;   // made when the client does not take the answer at once
        private int _descriptor = -1;
        private int _state;
        private volatile bool _hasEnded;
        private bool _isWriting;

        public Logic(SocketStage stage, Socket socket, SocketPoll poll, Action closed)
            : base(stage.Shape)
        {
            (_stage, _socket, _poll, _closed) = (stage, socket, poll, closed);
            SetHandler(stage._in, this);
            SetHandler(stage._out, this);
        }

        public override void PreStart()
        {
            _socket.Blocking = false;
            _descriptor = _poll.Add(_socket, this);
            Pull(_stage._in);
        }

        public override void PostStop() => Dispose();

        public void Dispose()
        {
            if (_descriptor >= 0)
            {
                _poll.Remove(_descriptor);
                _descriptor = -1;
            }

            _socket.Dispose();
            _writing?.Dispose();
            _closed();
        }

        /// <summary>On a thread of the poll.</summary>
        public void OnReadable(bool hasEnded)
        {
            if (hasEnded)
            {
                _hasEnded = true;
            }

            if (Interlocked.Exchange(ref _state, Readable) == Wanted)
            {
                _readable!(this);
            }
        }

        public override void OnPull() => Read();

        public override void OnPush() => Write(Grab(_stage._in));

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

        private void Read()
        {
            if (IsClosed(_stage._out) || !IsAvailable(_stage._out))
            {
                return;
            }

            _readable ??= new StageCallback<Logic>(this, static logic => logic.Read()).Tell;   // before it is wanted
            while (Interlocked.CompareExchange(ref _state, Wanted, Empty) == Readable)
            {
                Volatile.Write(ref _state, Empty);   // before the read: what comes after it is told again
                var count = _socket.Receive(_received.Buffer, SocketFlags.None, out var error);
                if (error != SocketError.WouldBlock)
                {
                    OnRead(count, error);
                    return;
                }
            }

            _poll.Await(_socket, this);
        }

        private void OnRead(int count, SocketError error)
        {
            if (error != SocketError.Success)
            {
                CompleteStage();   // reset by the peer: nobody is left to answer, and it is no news to anyone
            }
            else if (count == 0)
            {
                Complete(_stage._out);
            }
            else
            {
                if (count == ReceiveBufferBytes || _hasEnded)
                {
                    Volatile.Write(ref _state, Readable);   // there is more, and it is not told again
                }

                _received.Count = count;
                Push(_stage._out, _received);
            }
        }

        private void Write(byte[] bytes)
        {
            var count = _socket.Send(bytes, SocketFlags.None, out var error);
            if (error == SocketError.Success && count == bytes.Length)
            {
                Written();
            }
            else if (error is SocketError.Success or SocketError.WouldBlock)
            {
                WriteLater(bytes.AsMemory(count));
            }
            else
            {
                CompleteStage();
            }
        }

        private void WriteLater(Memory<byte> bytes)
        {
            if (_writing is null)
            {
                var done = GetAsyncCallback<SocketAsyncEventArgs>(_ => OnWritten());
                _writing = new SocketAsyncEventArgs(true);
                _writing.Completed += (_, args) => done(args);   // on a thread of the pool
            }

            _isWriting = true;
            _writing.SetBuffer(bytes);
            if (!_socket.SendAsync(_writing))
            {
                OnWritten();
            }
        }

        private void OnWritten()
        {
            if (_writing!.SocketError != SocketError.Success)
            {
                CompleteStage();
            }
            else if (_writing.BytesTransferred < _writing.Count)
            {
                WriteLater(_writing.MemoryBuffer[_writing.BytesTransferred..]);
            }
            else
            {
                _isWriting = false;
                Written();
            }
        }

        private void Written()
        {
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
                    _socket.Receive(_received.Buffer);
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
