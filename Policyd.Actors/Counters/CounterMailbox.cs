using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Dispatch.MessageQueues;

namespace Policyd.Actors.Counters;

/// <summary>
/// The mailbox of an owner: unbounded, with a place for one message, and a ring for those that wait behind it. Akka's own begins with some
/// 1.2 KB, which a million owners pay for and hardly one of them fills; what lives that long is copied by each collection until it is old.
/// </summary>
internal sealed class CounterMailbox(Settings settings, Config config)
    : MailboxType(settings, config), IProducesMessageQueue<CounterMailbox.Ring>
{
    /// <summary>What Props call it by.</summary>
    public const string Id = "counter-mailbox";

    /// <summary>The line of Akka's settings that gives it this name.</summary>
    public const string Naming = Id + ".mailbox-type = \"Policyd.Actors.Counters.CounterMailbox, Policyd.Actors\"\n";

    public override IMessageQueue Create(IActorRef owner, ActorSystem system) => new Ring();

    /// <summary>Many may enqueue, one at a time dequeues.</summary>
    internal sealed class Ring : IMessageQueue, IUnboundedMessageQueueSemantics
    {
        private const int FirstRoom = 4;
        private Envelope _first;
        private Envelope[] _others = [];
        private int _head;
        private volatile int _count;

        public bool HasMessages => _count > 0;

        public int Count => _count;

        public void Enqueue(IActorRef receiver, Envelope envelope)
        {
            lock (this)
            {
                if (_count == 0)
                {
                    _first = envelope;
                }
                else
                {
                    AddToOthers(envelope);
                }

                _count++;
            }
        }

        public bool TryDequeue(out Envelope envelope)
        {
            if (_count == 0)
            {
                envelope = default;
                return false;
            }

            lock (this)
            {
                envelope = _first;
                _count--;
                _first = _count > 0 ? TakeOfOthers() : default;
                return true;
            }
        }

        public void CleanUp(IActorRef owner, IMessageQueue deadletters)
        {
            while (TryDequeue(out var envelope))
            {
                deadletters.Enqueue(owner, envelope);
            }
        }

        private void AddToOthers(in Envelope envelope)
        {
            var others = _count - 1;
            if (others == _others.Length)
            {
                Grow(others);
            }

            _others[(_head + others) & (_others.Length - 1)] = envelope;
        }

        private Envelope TakeOfOthers()
        {
            var next = _others[_head];
            _others[_head] = default;
            _head = (_head + 1) & (_others.Length - 1);
            return next;
        }

        // Always a power of two, so that an index is wrapped by a mask.
        private void Grow(int others)
        {
            var larger = new Envelope[Math.Max(FirstRoom, others * 2)];
            for (var index = 0; index < others; index++)
            {
                larger[index] = _others[(_head + index) & (_others.Length - 1)];
            }

            (_others, _head) = (larger, 0);
        }
    }
}
