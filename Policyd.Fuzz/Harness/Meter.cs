namespace Policyd.Fuzz.Harness;

/// <summary>Counts what the product allocates during one execution. What the target allocates for its own checks does not count.</summary>
internal sealed class Meter
{
    public long Allocated { get; private set; }

    public T Run<T>(Func<T> product)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            return product();
        }
        finally
        {
            Allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }
}
