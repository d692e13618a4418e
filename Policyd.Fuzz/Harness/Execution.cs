namespace Policyd.Fuzz.Harness;

/// <summary>Why an execution failed.</summary>
/// <param name="Kind">Failures of one kind are the same fault to the minimizer.</param>
/// <param name="Message">For the reader of the report.</param>
internal sealed record FuzzFailure(string Kind, string Message);

/// <summary>Runs a target once and judges it.</summary>
internal static class Execution
{
    public static FuzzFailure? Run(FuzzTarget target, byte[] input, out Outcome outcome, out long allocated)
    {
        var failure = Once(target, input, out outcome, out allocated);
        if (failure is null && allocated > target.Bound.Of(input.Length))
        {
            // The first use of a type or of a static table allocates as well. A second execution shows what the input itself costs.
            failure = Once(target, input, out outcome, out allocated) ?? TooMuch(target, input, allocated);
        }

        return failure;
    }

    private static FuzzFailure? TooMuch(FuzzTarget target, byte[] input, long allocated)
    {
        var bound = target.Bound.Of(input.Length);
        return allocated > bound
            ? new FuzzFailure("allocation",
                $"{allocated:N0} bytes were allocated for an input of {input.Length:N0} bytes; the bound is {bound:N0}")
            : null;
    }

    private static FuzzFailure? Once(FuzzTarget target, byte[] input, out Outcome outcome, out long allocated)
    {
        var meter = new Meter();
        outcome = default;
        try
        {
            outcome = target.Execute(input, meter);
            return null;
        }
        catch (MismatchException mismatch)
        {
            return new FuzzFailure("mismatch", mismatch.Message);
        }
#pragma warning disable CA1031 // Any exception that a target does not expect is what the harness looks for.
        catch (Exception unexpected)
        {
            return new FuzzFailure(unexpected.GetType().Name, unexpected.ToString());
        }
#pragma warning restore CA1031
        finally
        {
            allocated = meter.Allocated;
        }
    }
}
