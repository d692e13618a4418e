namespace Policyd.Backends.Sql;

/// <summary>
/// A few threads for work that blocks, made as they are needed. What comes while all are at work waits its turn. They sleep as soon as
/// there is none: the collections of .NET that one can wait at spin before that, which on two busy processors took 4 % of all time from
/// those who had work.
/// </summary>
internal sealed class WorkThreads(string name, int most)
{
    private readonly Queue<Action> _work = new();
    private int _threads;
    private int _idle;
    private bool _ended;

    /// <summary>Runs the work, which throws nothing.</summary>
    public void Run(Action work)
    {
        lock (_work)
        {
            _work.Enqueue(work);
            if (_work.Count > _idle && _threads < most)
            {
                _threads++;
                // Without the context of the caller, who may be a request.
                new Thread(Loop) { IsBackground = true, Name = name }.UnsafeStart();
            }
            else
            {
                Monitor.Pulse(_work);
            }
        }
    }

    /// <summary>The threads end when they have done what they were given.</summary>
    public void End()
    {
        lock (_work)
        {
            _ended = true;
            Monitor.PulseAll(_work);
        }
    }

    private void Loop()
    {
        while (Next() is { } work)
        {
            work();
        }
    }

    private Action? Next()
    {
        lock (_work)
        {
            while (_work.Count == 0)
            {
                if (_ended)
                {
                    return null;
                }

                _idle++;
                Monitor.Wait(_work);
                _idle--;
            }

            return _work.Dequeue();
        }
    }
}
