namespace Policyd.Fuzz.Harness;

/// <summary>
/// One parser or codec under test. The harness mutates its samples and executes it with each mutant. An execution fails when the target
/// throws, or when the product allocates more than the bound. The target itself catches the exception that a reader documents.
/// </summary>
internal abstract class FuzzTarget(string name, string holds, AllocationBound bound)
{
    /// <summary>The name on the command line.</summary>
    public string Name { get; } = name;

    /// <summary>What each execution checks, for the list of targets.</summary>
    public string Holds { get; } = holds;

    /// <summary>How much the product may allocate for one input.</summary>
    public AllocationBound Bound { get; } = bound;

    /// <summary>Why the target cannot run on this machine; null when it can.</summary>
    public virtual string? Missing => null;

    /// <summary>Real inputs to mutate.</summary>
    public abstract IReadOnlyList<byte[]> Samples { get; }

    /// <summary>The words of the format's language, which a mutation inserts.</summary>
    public virtual IReadOnlyList<byte[]> Words => [];

    /// <summary>The longest input in bytes.</summary>
    public virtual int LongestInput => 4096;

    /// <summary>Mutates the places that matter most in the format, after the general mutations.</summary>
    public virtual void Shape(byte[] input, Random random)
    {
    }

    /// <summary>Executes the target with one input. Everything that the product does runs within <paramref name="meter"/>.</summary>
    /// <exception cref="MismatchException">An invariant does not hold.</exception>
    public abstract Outcome Execute(byte[] input, Meter meter);
}

/// <summary>What an execution came to.</summary>
/// <param name="IsAccepted">Whether the product took the input.</param>
/// <param name="Kind">How it was taken or refused. An input that gives a new kind is kept and mutated further.</param>
internal readonly record struct Outcome(bool IsAccepted, string Kind)
{
    public static Outcome Accepted(string kind) => new(true, kind);

    public static Outcome Rejected(string kind) => new(false, kind);
}

/// <summary>How many bytes the product may allocate.</summary>
/// <param name="Fixed">For any input.</param>
/// <param name="PerByte">For each byte of the input.</param>
internal readonly record struct AllocationBound(long Fixed, int PerByte)
{
    public long Of(int length) => Fixed + ((long)PerByte * length);
}
