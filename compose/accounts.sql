-- The customers, as on the playground of `npm start`.
create table customer (id int primary key, deposit bigint not null);
insert into customer values (1, 1000);
