namespace Policyd.Tests.Differential;

/// <summary>
/// Chains that between them use every option of the modules that both servers have. Each is the body of a virtual host in
/// mtpolicyd.conf; <c>@PROXY@</c> is the port of a policy server that the Proxy module asks.
/// </summary>
internal static class DifferentialConfigurations
{
    public static readonly IReadOnlyDictionary<string, string> All = new Dictionary<string, string>
    {
        ["conditions"] = """
            <Plugin is-boo>
              module = "Condition"
              key = "helo_name"
              match = "boo"
              score = 2.5
            </Plugin>
            <Plugin is-example>
              module = "Condition"
              key = "r:helo_name"
              re_match = "\.example\.(com|org)$"
              score = -1
            </Plugin>
            <Plugin big>
              module = "Condition"
              key = "request:size"
              gt_match = 1000
              score = 0.1
            </Plugin>
            <Plugin small>
              module = "Condition"
              key = "size"
              lt_match = 10
              score = 0.2
            </Plugin>
            <Plugin not-alice>
              module = "Condition"
              key = "sender"
              match = "alice@example.com"
              invert = 1
              score = 1
            </Plugin>
            <Plugin several-tests>
              module = "Condition"
              key = "size"
              match = "77"
              re_match = "^12"
              gt_match = 99999
              score = 3
            </Plugin>
            <Plugin stop>
              module = "Condition"
              key = "recipient"
              match = "stop@example.org"
              action = "reject no such user"
            </Plugin>
            <Plugin nested>
              module = "Condition"
              key = "recipient"
              re_match = "^nested"
              <Plugin deeper>
                module = "Condition"
                key = "helo_name"
                match = "boo"
                action = "defer nested and boo"
              </Plugin>
              <Plugin deep-score>
                module = "Condition"
                key = "recipient"
                re_match = "."
                score = 4
              </Plugin>
            </Plugin>
            <Plugin low>
              module = "ScoreAction"
              match = "lt"
              threshold = -1
              action = "PREPEND X-Good: %IP% %SCORE%%SCORE_DETAIL%"
            </Plugin>
            <Plugin high>
              module = "ScoreAction"
              threshold = 6
              action = "reject sender ip %IP% is blocked (score=%SCORE%%SCORE_DETAIL%)"
            </Plugin>
            <Plugin tag>
              module = "AddScoreHeader"
              spam_score = 3
              header_name = "X-Score"
            </Plugin>
            """,
        ["lists"] = """
            <Plugin good-clients>
              module = "RegexList"
              key = "request:client_name"
              regex = "^mail-[a-z][a-z]0-f[0-9]*\.google\.com$"
              score = -3
            </Plugin>
            <Plugin not-local>
              module = "RegexList"
              key = "client_address"
              regex = "^10\."
              invert = 1
              score = 1
            </Plugin>
            <Plugin from-file>
              module = "RegexList"
              key = "sender"
              file = "@FOLDER@/senders.txt"
              action = "reject unwanted sender"
            </Plugin>
            <Plugin off>
              module = "RegexList"
              enabled = "off"
              key = "sender"
              regex = "."
              action = "reject never"
            </Plugin>
            <Plugin nested>
              module = "RegexList"
              key = "recipient"
              regex = "^nested"
              <Plugin answer>
                module = "Action"
                action = "450 4.7.1 come back"
              </Plugin>
            </Plugin>
            <Plugin other-score>
              module = "Condition"
              key = "helo_name"
              match = "boo"
              score = 5
            </Plugin>
            <Plugin tag>
              module = "AddScoreHeader"
            </Plugin>
            """,
        ["session and user options"] = """
            <Plugin policy>
              module = "Condition"
              key = "sender"
              match = "alice@example.com"
              <Plugin set-threshold>
                module = "SetField"
                key = "user_spam"
                value = "1"
              </Plugin>
              <Plugin set-off>
                module = "SetField"
                key = "user_list"
                value = "off"
              </Plugin>
              <Plugin set-action>
                module = "SetField"
                key = "user_action"
                value = "reject by the user's own rule"
              </Plugin>
              <Plugin set-score>
                module = "SetField"
                key = "user_score"
                value = "7.25"
              </Plugin>
            </Plugin>
            <Plugin list>
              module = "RegexList"
              uc_enabled = "user_list"
              key = "helo_name"
              regex = "boo"
              uc_score = "user_score"
              score = 2
            </Plugin>
            <Plugin rule>
              module = "Condition"
              key = "recipient"
              match = "stop@example.org"
              uc_action = "user_action"
              action = "reject by the common rule"
            </Plugin>
            <Plugin seen>
              module = "Condition"
              key = "session:mark-once"
              match = "1"
              score = 0.5
            </Plugin>
            <Plugin mark>
              module = "SetField"
              key = "mark-once"
              value = "1"
            </Plugin>
            <Plugin forget>
              module = "Condition"
              key = "recipient"
              re_match = "^nested"
              <Plugin clear>
                module = "ClearFields"
                fields = "mark-once,user_spam"
              </Plugin>
              <Plugin clear-more>
                module = "ClearFields"
                fields_prefix = "user_"
              </Plugin>
            </Plugin>
            <Plugin limit>
              module = "ScoreAction"
              threshold = 20
              uc_threshold = "user_spam"
              action = "reject too much: %SCORE%%SCORE_DETAIL%"
            </Plugin>
            <Plugin tag>
              module = "AddScoreHeader"
              uc_spam_score = "user_spam"
            </Plugin>
            """,
        ["eval, stress and proxy"] = """
            <Plugin stress>
              module = "Stress"
              action = "defer please try again later"
            </Plugin>
            <Plugin remember>
              module = "Eval"
              store_in = "their-answer"
              <Plugin ask>
                module = "Proxy"
                host = "127.0.0.1:@PROXY@"
              </Plugin>
            </Plugin>
            <Plugin they-reject>
              module = "Condition"
              key = "session:their-answer"
              re_match = "^reject"
              score = 5
            </Plugin>
            <Plugin pass-on>
              module = "Condition"
              key = "recipient"
              re_match = "^nested"
              <Plugin ask-again>
                module = "Proxy"
                host = "127.0.0.1:@PROXY@"
              </Plugin>
            </Plugin>
            <Plugin tag>
              module = "AddScoreHeader"
              score_field = "score"
            </Plugin>
            """,
        ["nested scores and stress"] = """
            <Plugin under-stress>
              module = "Stress"
              <Plugin stress-score>
                module = "Condition"
                key = "recipient"
                re_match = "."
                score = 2
              </Plugin>
            </Plugin>
            <Plugin boo>
              module = "Condition"
              key = "helo_name"
              match = "boo"
              score = 2.25
            </Plugin>
            <Plugin when-high>
              module = "ScoreAction"
              threshold = 4
              <Plugin refuse>
                module = "Action"
                action = "reject nested under a score"
              </Plugin>
            </Plugin>
            <Plugin keep>
              module = "Eval"
              store_in = "kept"
              <Plugin a>
                module = "Action"
                action = "kept action"
              </Plugin>
            </Plugin>
            <Plugin compare>
              module = "Condition"
              key = "s:kept"
              match = "kept action"
              score = 0.125
            </Plugin>
            <Plugin tag>
              module = "AddScoreHeader"
            </Plugin>
            """,
    };
}
