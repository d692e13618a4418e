using Microsoft.Extensions.Logging;
using Policyd.Plugins.Addresses;
using Policyd.Plugins.Api;
using Policyd.Plugins.Dns;
using Policyd.Plugins.Sessions;
using Policyd.Protocol;

namespace Policyd.Plugins.Testing;

/// <summary>A request on its way through one plugin.</summary>
internal sealed class TestRun : RequestRun
{
    private readonly List<PluginNote> _notes = [];

    public TestRun(PolicyRequest request, Session session, TimeProvider clock, ILogger logger, bool isRehearsal)
        : base(request, session)
    {
        (Clock, Logger, IsRehearsal, TakesFacts) = (clock, logger, isRehearsal, true);
        Lookups = new DnsBudget(ClientAddress.Parse(request.ClientAddress));
    }

    public override string VirtualHost => "test";

    public override TimeProvider Clock { get; }

    public override ILogger Logger { get; }

    public override ActionGrammar Grammar => ActionGrammar.Default;

    public override DnsBudget Lookups { get; }

    public IReadOnlyList<PluginNote> Notes => _notes;

    public override void AddFact(PluginContext reader, string name, string? value, string? comparedWith, string? result)
    {
        lock (_notes)
        {
            _notes.Add(new PluginNote(name, value, comparedWith, result));
        }
    }
}
