FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY . .
RUN dotnet publish Policyd.Server -c Release -o /policyd

FROM mcr.microsoft.com/dotnet/runtime:10.0
COPY --from=build /policyd /opt/policyd
# No socket of the runtime's own, for its debugging tools.
ENV DOTNET_EnableDiagnostics=0
USER $APP_UID
ENTRYPOINT ["/opt/policyd/policyd", "serve", "-c", "/etc/policyd/mtpolicyd.hocon"]
