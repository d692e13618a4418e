using Policyd.Fuzz.Commands;
using Policyd.Fuzz.Targets;

return await FuzzCommand.Create(AllTargets.Create()).Parse(args).InvokeAsync().ConfigureAwait(false);
