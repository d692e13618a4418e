using Policyd.Bench.Commands;

return await BenchCommand.Create().Parse(args).InvokeAsync().ConfigureAwait(false);
