# Stand-ins for images that cannot be pulled, made of Debian's packages. They
# honour what docker-compose.yml uses of the real ones: user ids, paths,
# entrypoints and environment. The folder of each stage is that of the image of
# the same name; compose.sh makes the base, and golang.

FROM sqlpushgateway-debian AS postgres
RUN groupmod --non-unique --gid 999 postgres && \
    usermod --non-unique --uid 999 --gid 999 postgres && \
    rm -rf /var/lib/postgresql /etc/postgresql && \
    install -d -m 1777 -o postgres -g postgres /var/lib/postgresql && \
    install -d -m 3777 -o postgres -g postgres /var/run/postgresql
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/local/bin:/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin LANG=C.UTF-8 PGDATA=/var/lib/postgresql/18/docker
VOLUME /var/lib/postgresql
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]

FROM sqlpushgateway-debian AS nginx
RUN groupadd --non-unique --gid 101 nginx && \
    useradd --non-unique --uid 101 --gid 101 --home-dir /nonexistent --shell /bin/false nginx && \
    ln -sf /dev/stdout /var/log/nginx/access.log && \
    ln -sf /dev/stderr /var/log/nginx/error.log
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]

FROM sqlpushgateway-debian AS prometheus
RUN install -d -o nobody -g nogroup /prometheus && ln -s busybox /bin/wget
USER nobody
WORKDIR /prometheus
VOLUME /prometheus
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]

FROM sqlpushgateway-debian AS alertmanager
RUN install -d -o nobody -g nogroup /alertmanager && ln -s busybox /bin/wget && \
    ln -s prometheus-alertmanager /bin/alertmanager
USER nobody
WORKDIR /alertmanager
VOLUME /alertmanager
EXPOSE 9093
ENTRYPOINT ["/bin/alertmanager"]
CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]
