# The paths are those of packaging/policyd.service: program, configuration, data, sockets. The log goes to the container's output.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY . .
RUN dotnet publish Policyd.Server -c Release -o /usr/lib/policyd

FROM mcr.microsoft.com/dotnet/aspnet:10.0
# No socket of the runtime's own, for its debugging tools.
ENV DOTNET_EnableDiagnostics=0
COPY --from=build /usr/lib/policyd /usr/lib/policyd
RUN ln -s /usr/lib/policyd/policyd /usr/local/bin/policyd && install -d -o $APP_UID -g $APP_UID -m 0750 /var/lib/policyd /run/policyd
USER $APP_UID
# Relative files of the configuration, such as the SQLite file of config/mtpolicyd.hocon, lie there.
WORKDIR /var/lib/policyd
VOLUME /var/lib/policyd
# Without -c it serves /etc/policyd/policyd.hocon, or /etc/policyd/mtpolicyd.hocon.
ENTRYPOINT ["policyd"]
CMD ["serve"]
