using Policyd.Counting.Owners;
using Policyd.Plugins.Counters;

namespace Policyd.Actors.Counters;

/// <summary>
/// Operations and answers as bytes between nodes. The first byte is the version of the form; a node that reads a newer one says so, and its
/// asker's counters are unavailable until both have the same. Numbers are varints, ids and thresholds are of fixed size; texts are only
/// what is text: connection, table, key and a calendar window.
/// </summary>
internal static class CounterWire
{
    /// <summary>The version that this server writes.</summary>
    public const byte Version = 3;

    /// <summary>The most operations in one message.</summary>
    public const int MostOperations = 4096;

    /// <summary>Reads what <see cref="WireBatch"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The bytes are damaged, or of a newer version.</exception>
    public static List<(ulong Number, CounterOperation Operation)> ReadOperations(byte[] bytes)
    {
        var from = Begin(bytes);
        var count = from.Count(MostOperations);
        var operations = new List<(ulong Number, CounterOperation Operation)>(count);
        for (var index = 0; index < count; index++)
        {
            operations.Add((from.Number(), ReadOne(ref from)));
        }

        from.End();
        return operations;
    }

    /// <summary>Reads what <see cref="WireBatch"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The bytes are damaged, or of a newer version.</exception>
    public static List<WireAnswer> ReadAnswers(byte[] bytes)
    {
        var from = Begin(bytes);
        var count = from.Count(MostOperations);
        var answers = new List<WireAnswer>(count);
        for (var index = 0; index < count; index++)
        {
            var number = from.Number();
            var kind = (WireAnswerKind)from.Byte((byte)WireAnswerKind.NotHere);
            if (kind == WireAnswerKind.NotHere)
            {
                answers.Add(new WireAnswer(number, kind, default));
                continue;
            }

            var state = (CounterState)from.Byte((byte)CounterState.Stale);
            var reason = (CounterReason)from.Byte((byte)CounterReason.Spool);
            var flags = from.Byte(7);
            var value = new CounterAnswer(state, reason, (flags & 1) != 0, (flags & 2) != 0, from.Amounts());
            answers.Add(new WireAnswer(number, kind, value)
            {
                Other = from.Amounts(),
                Mails = from.Count(int.MaxValue),
                Life = (flags & 4) != 0 ? from.Life() : 0,
            });
        }

        from.End();
        return answers;
    }

    /// <summary>Writes a release.</summary>
    public static byte[] Write(CounterKey key, MailId mail, CounterWindow? window)
    {
        var to = new WireWriter();
        to.Byte(Version);
        to.Key(key);
        to.Id(mail.Value);
        to.Byte(window is null ? (byte)0 : (byte)1);
        if (window is { } one)
        {
            to.Window(one);
        }

        return to.ToArray();
    }

    /// <summary>Reads a release.</summary>
    /// <exception cref="InvalidDataException">The bytes are damaged, or of a newer version.</exception>
    public static (CounterKey Key, MailId Mail, CounterWindow? Window) ReadRelease(byte[] bytes)
    {
        var from = Begin(bytes);
        var (key, mail) = (from.Key(), from.Mail());
        CounterWindow? window = from.Byte(1) == 1 ? from.Window() : null;
        from.End();
        return (key, mail, window);
    }

    /// <summary>Writes a key alone.</summary>
    public static byte[] Write(CounterKey key)
    {
        var to = new WireWriter();
        to.Byte(Version);
        to.Key(key);
        return to.ToArray();
    }

    /// <summary>Reads a key that stands alone.</summary>
    /// <exception cref="InvalidDataException">The bytes are damaged, or of a newer version.</exception>
    public static CounterKey ReadKey(byte[] bytes)
    {
        var from = Begin(bytes);
        var key = from.Key();
        from.End();
        return key;
    }

    /// <summary>Writes one operation, without its number.</summary>
    public static void Write(WireWriter to, CounterOperation operation)
    {
        switch (operation)
        {
            case ReadOperation:
                to.Byte((byte)WireKind.Read);
                to.KeyAndWindow(operation);
                break;
            case ReserveOperation reserve:
                to.Byte((byte)WireKind.Reserve);
                to.KeyAndWindow(operation);
                to.Byte((byte)reserve.Metric);
                to.Double(reserve.Threshold);
                to.Amounts(reserve.Amounts);
                to.Id(reserve.Mail.Value);
                break;
            case AddOperation add:
                to.Byte((byte)WireKind.Add);
                to.KeyAndWindow(operation);
                to.Amounts(add.Amounts);
                to.Id(add.Mail.Value);
                to.Ids(add);
                WriteChecks(to, add);
                break;
            case FindCountedOperation find:
                to.Byte((byte)WireKind.FindCounted);
                to.Key(find.Key);
                to.Number((ulong)find.RequestIds.Count);
                foreach (var one in find.RequestIds)
                {
                    to.Id(one);
                }

                break;
            case InspectOperation:
                to.Byte((byte)WireKind.Inspect);
                to.KeyAndWindow(operation);
                break;
            case SetSumsOperation set:
                to.Byte((byte)WireKind.SetSums);
                to.KeyAndWindow(operation);
                to.Byte((byte)set.Which);
                to.Amounts(set.Amounts);
                break;
            default:
                throw new InvalidOperationException($"{operation.GetType()} does not cross nodes");
        }
    }

    /// <summary>Writes one answer, without its number.</summary>
    public static void Write(WireWriter to, in WireAnswer answer)
    {
        to.Byte((byte)answer.Kind);
        if (answer.Kind == WireAnswerKind.NotHere)
        {
            return;
        }

        to.Byte((byte)answer.Value.State);
        to.Byte((byte)answer.Value.Reason);
        to.Byte((byte)((answer.Value.Yes ? 1 : 0) | (answer.Value.IsNew ? 2 : 0) | (answer.Life != 0 ? 4 : 0)));
        to.Amounts(answer.Value.Total);
        to.Amounts(answer.Other);
        to.Number((ulong)answer.Mails);
        if (answer.Life != 0)
        {
            to.Life(answer.Life);
        }
    }

    private static WireReader Begin(byte[] bytes)
    {
        var from = new WireReader(bytes);
        var version = from.Byte(byte.MaxValue);
        return version == Version
            ? from
            : throw new InvalidDataException($"counters of another node are in version {version}, this one knows {Version}");
    }

    private static CounterOperation ReadOne(ref WireReader from)
    {
        var kind = (WireKind)from.Byte((byte)WireKind.SetSums);
        var key = from.Key();
        switch (kind)
        {
            case WireKind.Read:
                return new ReadOperation(key, from.Window());
            case WireKind.Reserve:
                return new ReserveOperation(
                    key, from.Window(), (CounterMetric)from.Byte((byte)CounterMetric.SizeRcpt), from.Double(), from.Amounts(), from.Mail());
            case WireKind.Add:
                return ReadAdd(ref from, key);
            case WireKind.FindCounted:
                var counted = new UInt128[from.Count(MostOperations)];
                for (var index = 0; index < counted.Length; index++)
                {
                    counted[index] = from.Id();
                }

                return new FindCountedOperation(key, counted);
            case WireKind.Inspect:
                return new InspectOperation(key, from.Window());
            default:
                var (set, which) = (from.Window(), (CounterSums)from.Byte((byte)CounterSums.All));
                return new SetSumsOperation(key, set, from.Amounts(), which);
        }
    }

    /// <summary>The checks by which the mail was let in, the last one first; a byte before each says that there is one more.</summary>
    private static void WriteChecks(WireWriter to, AddOperation add)
    {
        for (var check = add.CheckAfter(null); check is not null; check = add.CheckAfter(check))
        {
            to.Byte(1);
            to.Life(check.Life);
            to.Byte((byte)check.Metric);
            to.Double(check.Threshold);
        }

        to.Byte(0);
    }

    private static AddOperation ReadAdd(ref WireReader from, CounterKey key)
    {
        var (window, amounts, mail) = (from.Window(), from.Amounts(), from.Mail());
        var ids = from.Byte(2);
        UInt128? id = ids > 0 ? from.Id() : null;
        UInt128? former = ids > 1 ? from.Id() : null;
        ReserveOperation? first = null, last = null;
        while (from.Byte(1) == 1)
        {
            var (life, metric, threshold) = (from.Life(), (CounterMetric)from.Byte((byte)CounterMetric.SizeRcpt), from.Double());
            var check = new ReserveOperation(key, window, metric, threshold, amounts, mail) { Life = life };
            if (last is null)
            {
                first = check;
            }
            else
            {
                last.AdmittedBefore = check;
            }

            last = check;
        }

        return new AddOperation(key, window, amounts, mail, id) { FormerId = former, Admission = first, IsOfAnotherNode = true };
    }

    private enum WireKind : byte
    {
        Read,
        Reserve,
        Add,
        FindCounted,
        Inspect,
        SetSums,
    }
}

/// <summary>What comes back for an operation.</summary>
internal enum WireAnswerKind : byte
{
    /// <summary>Its answer.</summary>
    Answer,

    /// <summary>The partition of its key is not on that node.</summary>
    NotHere,
}

/// <summary>An answer between nodes.</summary>
/// <param name="Number">The operation's.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Value">The answer.</param>
internal readonly record struct WireAnswer(ulong Number, WireAnswerKind Kind, CounterAnswer Value)
{
    /// <summary>What an operator's operation has besides: what is reserved, or was before.</summary>
    public CounterAmounts Other { get; init; }

    /// <summary>By how many mails it is reserved.</summary>
    public int Mails { get; init; }

    /// <summary>Which life of the owner has answered a check; 0: it was no check.</summary>
    public ulong Life { get; init; }
}
